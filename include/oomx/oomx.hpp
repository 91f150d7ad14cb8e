// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

// The table of contents. A layer includes only what is above it.
//
// What owns something says which threads may use it. Everything else is a value and as safe as an
// int: any number of threads may read one, or one may change it. Functions share nothing.

// Vocabulary.
#include <oomx/bytes.hpp>
#include <oomx/error.hpp>
#include <oomx/ids.hpp>
#include <oomx/limit.hpp>
#include <oomx/preference.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

// What the kernel shows.
#include <oomx/btf_view.hpp>
#include <oomx/capability.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/cgroup_errors.hpp>
#include <oomx/cgroup_files.hpp>
#include <oomx/cgroup_mounts.hpp>
#include <oomx/exemption.hpp>
#include <oomx/machine_files.hpp>
#include <oomx/machine_memory.hpp>
#include <oomx/memory_events.hpp>
#include <oomx/memory_stat.hpp>
#include <oomx/pressure.hpp>
#include <oomx/pressure_stat.hpp>
#include <oomx/text.hpp>

// BPF.
#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/attach.hpp>
#include <oomx/bpf/departures.hpp>
#include <oomx/bpf/identity.hpp>
#include <oomx/bpf/libbpf_messages.hpp>
#include <oomx/bpf/link.hpp>
#include <oomx/bpf/map_memory.hpp>
#include <oomx/bpf/object.hpp>
#include <oomx/bpf/ops.hpp>
#include <oomx/bpf/pinned_maps.hpp>
#include <oomx/bpf/places.hpp>
#include <oomx/bpf/preferences_map.hpp>
#include <oomx/bpf/refusal.hpp>
#include <oomx/bpf/ring_buffer.hpp>
#include <oomx/bpf/trial.hpp>
#include <oomx/bpf/verifier_log.hpp>

// What the machine offers.
#include <oomx/capabilities.hpp>

// Policies.
#include <oomx/adopt.hpp>
#include <oomx/attachment.hpp>
#include <oomx/cgroup_gone.hpp>
#include <oomx/counters.hpp>
#include <oomx/decision.hpp>
#include <oomx/decision_text.hpp>
#include <oomx/declaration.hpp>
#include <oomx/declaration_text.hpp>
#include <oomx/decode.hpp>
#include <oomx/events.hpp>
#include <oomx/live_fields.hpp>
#include <oomx/load.hpp>
#include <oomx/loaded_policy.hpp>
#include <oomx/opened_policy.hpp>
#include <oomx/policy.hpp>
#include <oomx/rails.hpp>
#include <oomx/ranking.hpp>
#include <oomx/watches.hpp>

/// Out-of-memory policies for the kernel's BPF OOM, from C++.
namespace oomx {}

/// What libbpf and the kernel have, one noun a header. Programs rarely need it.
namespace oomx::bpf {}

/// What depends on the revision of the "mm: BPF OOM" series.
namespace oomx::bpf::abi {}

/// Policies built for this machine and the models they run over: <oomx/native/scenario.hpp>, which
/// is not included here.
namespace oomx::native {}

/// The bundled policies.
namespace oomx::policies {}

/// Pieces of which the kernel's small files are read.
namespace oomx::text {}

/// The privileges that are asked for.
namespace oomx::privileges {}
