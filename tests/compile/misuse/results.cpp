// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/attachment.hpp>
#include <oomx/bpf/link.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/events.hpp>

oomx::attachment attach();

int use(const oomx::cgroup& where, const oomx::bpf::link& link, oomx::attachment& live,
        oomx::events& stream, const oomx::events& frozen) {
    auto text = where.read("memory.current");

#ifdef dropping_an_attachment // dropping an attachment detaches the policy
    attach();
#endif
#ifdef copying_an_attachment // use of deleted function|call to implicitly-deleted copy constructor
    const oomx::attachment other = live;
#endif
#ifdef copying_a_cgroup // use of deleted function|call to implicitly-deleted copy constructor
    const oomx::cgroup other = where;
#endif
#ifdef copying_events // use of deleted function|call to implicitly-deleted copy constructor
    const oomx::events other = stream;
#endif
#ifdef dropping_what_was_read // ignoring return
    where.read("memory.current");
#endif
#ifdef dropping_the_outcome_of_a_pin // ignoring return
    link.pin("/sys/fs/bpf/link");
#endif
#ifdef dropping_an_error // ignoring return
    oomx::error{oomx::errc::system, "refused"}.within("read");
#endif
#ifdef error_taken_out_of_an_lvalue // discards qualifiers|is an lvalue
    oomx::error why{oomx::errc::system, "refused"};
    return static_cast<int>(why.within("read").code());
#endif
#ifdef polling_for_a_bare_number // cannot convert .100. .type .int..|no known conversion from .int.
    return stream.poll(100, [](const oomx::decision&) {}) ? 0 : 1;
#endif
    return text ? link.native_handle() + live.native_handle() + stream.fd() + frozen.fd() : 1;
}
