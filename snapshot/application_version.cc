#include "snapshot/application_version.h"

#include <algorithm>

#include "base/process.h"

namespace ingot {

std::string application_version(const Stack& stack, int64_t limit_ms) {
    if (stack.version_command.empty()) return {};
    Command command = Command::shell(stack.version_command, stack.root);
    command.limit_ms = limit_ms;
    std::string text = run_checked(command, "the version command").out;
    text = text.substr(0, text.find('\n'));
    text.erase(text.find_last_not_of(" \t\r") + 1);
    return text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
}

}  // namespace ingot
