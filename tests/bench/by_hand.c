/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What through_oomx.cpp does, written out with libbpf: largest_leaf loaded, attached to a cgroup
 * and detached again. It knows the one revision of the kernel interface that it is run on, takes
 * the kernel at its word, and an error ends it without a reason.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <oomx/config.h>
#include <oomx/decision.h>

#include "../../bpf_templates/largest_leaf.h"

#include "largest_leaf.skel.h"

static void check(int good, const char* what) {
    if (good) {
        return;
    }
    perror(what);
    exit(1);
}

static const struct btf_type* kernel_struct(const struct btf* kernel, const char* name) {
    return btf__type_by_id(kernel, btf__find_by_name_kind(kernel, name, BTF_KIND_STRUCT));
}

static unsigned int offset_of(const struct btf* kernel, const struct btf_type* type,
                              const char* name) {
    for (int i = 0; i < btf_vlen(type); i++) {
        if (!strcmp(btf__name_by_offset(kernel, btf_members(type)[i].name_off), name)) {
            return btf_member_bit_offset(type, i) / 8;
        }
    }
    check(0, name);
    return 0;
}

/* No libbpf attaches struct_ops to a cgroup: the kernel's value, and the link below. */
static void publish(struct largest_leaf_bpf* policy, const struct btf* kernel) {
    const struct btf_type* value_type = kernel_struct(kernel, "bpf_struct_ops_bpf_oom_ops");
    const struct btf_type* ops = kernel_struct(kernel, "bpf_oom_ops");
    char* value = calloc(1, value_type->size);
    char* data = value + offset_of(kernel, value_type, "data");
    unsigned long handle = bpf_program__fd(policy->struct_ops.oomx_ops_v2->handle_out_of_memory);
    unsigned long offline = bpf_program__fd(policy->struct_ops.oomx_ops_v2->handle_cgroup_offline);
    __u32 key = 0;

    memcpy(data + offset_of(kernel, ops, "handle_out_of_memory"), &handle, sizeof(handle));
    memcpy(data + offset_of(kernel, ops, "handle_cgroup_offline"), &offline, sizeof(offline));
    strcpy(data + offset_of(kernel, ops, "name"), "largest_leaf");
    check(!bpf_map_update_elem(bpf_map__fd(policy->maps.oomx_ops_v2), &key, value, 0),
          "update the struct_ops map");
    free(value);
}

static int link_to(int map, int cgroup) {
    struct {
        __u32 map_fd, target_fd, attach_type, flags, relative_fd, reserved;
        __u64 expected_revision;
    } call = {.map_fd = map, .attach_type = 44, .relative_fd = cgroup};

    return syscall(SYS_bpf, BPF_LINK_CREATE, &call, sizeof(call));
}

/* callgrind counts what runs below this one. */
__attribute__((noinline)) void measured(const char* path) {
    struct largest_leaf_bpf* policy = largest_leaf_bpf__open();
    struct btf* kernel;
    struct bpf_map* map;
    int cgroup, link;

    check(policy != NULL, "open the policy");
    policy->rodata_oomx->oomx_object.page_size = sysconf(_SC_PAGESIZE);
    policy->data_oomx->oomx_configs[1].rails.max_processes = 1024;
    policy->data_oomx->oomx_control.generation = 1;
    policy->data_oomx->oomx_control.armed = 1;
    bpf_object__for_each_map(map, policy->obj) {
        if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) {
            bpf_map__set_autocreate(map, map == policy->maps.oomx_ops_v2);
        }
    }
    check(!largest_leaf_bpf__load(policy), "load the policy");

    kernel = btf__load_vmlinux_btf();
    check(kernel != NULL, "read the kernel's types");
    publish(policy, kernel);
    btf__free(kernel);

    cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(cgroup >= 0, path);
    link = link_to(bpf_map__fd(policy->maps.oomx_ops_v2), cgroup);
    check(link >= 0, "attach the policy");
    close(link);
    close(cgroup);
    largest_leaf_bpf__destroy(policy);
}

int main(int argc, char** argv) {
    check(argc == 2, "usage: by_hand CGROUP");
    measured(argv[1]);
    return 0;
}
