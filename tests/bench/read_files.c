// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What a user-space OOM daemon does before it can choose: reads memory.current and memory.stat of
// every cgroup below one. Prints how long that took: nanoseconds.
//
// usage: read_files CGROUP
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int read_file(int cgroup, const char* name) {
    char text[8192];
    int fd = openat(cgroup, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, text, sizeof(text));

    close(fd);
    return got > 0 ? 0 : -1;
}

int main(int argc, char** argv) {
    DIR* all = argc == 2 ? opendir(argv[1]) : NULL;
    long long start = now();
    struct dirent* entry;

    if (!all) {
        fprintf(stderr, "read_files: open %s: %s\n", argc == 2 ? argv[1] : "CGROUP",
                strerror(errno));
        return 1;
    }
    while ((entry = readdir(all))) {
        int cgroup;

        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') {
            continue;
        }
        cgroup = openat(dirfd(all), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (read_file(cgroup, "memory.current") || read_file(cgroup, "memory.stat")) {
            fprintf(stderr, "read_files: read %s: %s\n", entry->d_name, strerror(errno));
            return 1;
        }
        close(cgroup);
    }
    printf("%lld\n", now() - start);
    return 0;
}
