// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Records as a ring buffer might hold them, decoded and printed, as text and as JSON.
#include <cstddef>
#include <cstdint>
#include <span>

#include <fmt/format.h>

#include <oomx/decision_json.hpp>
#include <oomx/decision_text.hpp>
#include <oomx/declaration_text.hpp>
#include <oomx/decode.hpp>

#include "fuzz/require.hpp"

using oomx::test::require;

namespace {

template <typename Event>
void print(const Event& what) {
    require(!fmt::format("{}", what).empty());
    const auto line = oomx::json_line(what);
    require(!line.contains('\n'));
    require(nlohmann::json::accept(line));
}

/// Looks at everything.
struct reader {
    int received = 0;

    void operator()(const oomx::decision& what) {
        ++received;
        require(what.policy().size() <= OOMX_NAME_LEN);
        require(what.victim_comm().size() <= OOMX_COMM_LEN);
        require(what.top_count() <= OOMX_TOP && what.spared_count() <= OOMX_SPARED);
        require(what.eligible() <= what.considered());
        require(what.rails().min_interval.count() >= 0);
        print(what);
        require(what.refusal() >= 0);
        require(what.took() >= what.decided_in());
    }
    void operator()(const oomx::declaration& what) {
        ++received;
        require(what.policy().size() <= OOMX_NAME_LEN);
        print(what);
        require(what.refusal() >= 0 && what.deaf() >= 0);
    }
    void operator()(const oomx::cgroup_gone& what) {
        ++received;
        require(what.policy().size() <= OOMX_NAME_LEN);
        print(what);
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    reader read;
    const auto decoded = oomx::decode(std::as_bytes(std::span{data, size}), read);
    require(read.received == (decoded ? 1 : 0));
    if (!decoded) {
        require(decoded.error().code() == oomx::errc::malformed);
        require(!decoded.error().message().empty());
    }
    return 0;
}
