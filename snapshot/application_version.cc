#include "snapshot/application_version.h"

#include <algorithm>

#include "base/process.h"

namespace ingot {

std::string first_line_of(const std::string& line, const std::string& folder, const std::string& what, int64_t limit_ms) {
    Command command = Command::shell(line, folder);
    command.limit_ms = limit_ms;
    std::string text = run_checked(command, what).out;
    text = text.substr(0, text.find('\n'));
    text.erase(text.find_last_not_of(" \t\r") + 1);
    return text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
}

std::string application_version(const Stack& stack, int64_t limit_ms) {
    if (stack.version_command.empty()) return {};
    return first_line_of(stack.version_command, stack.root, "the version command", limit_ms);
}

}  // namespace ingot
