// Does somebody listen there? A connection is made, and closed again.
//
// Thread safety: any thread. Errors: Error{failed}; Error{interrupted}.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace ingot {

// "db.internal:5432", "[::1]:5432" -> host, port. Throws Error{usage}.
std::pair<std::string, std::string> host_and_port(const std::string& address);

// Tries each address that the name has. Names are looked up by the system, within its own limits (resolv.conf).
void connect_tcp(const std::string& address, int64_t limit_ms);

}  // namespace ingot
