// The server's own tools: pg_dump, pg_dumpall and pg_restore, found in PATH or where Debian keeps each major version, or run
// through what the config's `tools` puts before them ("docker exec -i db", "ssh host").
//
// The password never stands on a command line: it is PGPASSWORD in the one child's environment.
// Thread safety: const members from any thread. Errors: Error{code}.
#pragma once

#include <string>
#include <vector>

#include "base/process.h"
#include "drivers/postgres_settings.h"

namespace ingot {

class PgTools {
public:
    // Tools for a server of this major version: of the same one where there is, else of the next newer one.
    // Throws where there are none, or only older ones.
    PgTools(const PgSettings& settings, int server_major, Code code);

    int major() const { return major_; }
    // Connected to `database`, ready to run; limits are the settings' own.
    Command command(const std::string& tool, const std::vector<std::string>& arguments, const std::string& database) const;
    // Without a connection: `pg_restore --list`.
    Command offline(const std::string& tool, const std::vector<std::string>& arguments) const;

    // Throws unless the status is 0; the tool's own last words are in the message, the password never is.
    void require_success(const std::string& what, const CommandResult& result) const;
    // Like run(), with errors as this object's.
    CommandResult run(const Command& command, const std::string& what) const;

private:
    std::vector<std::string> argv(const std::string& tool, const std::vector<std::string>& arguments) const;
    int major_of_tool(const std::string& program) const;

    const PgSettings& settings_;
    Code code_;
    std::string folder_;  // with a slash at its end; empty: as PATH has it
    int major_ = 0;
};

// "it said; this too": the last lines of a tool's error output.
std::string pg_last_words(const std::string& error_output);

}  // namespace ingot
