// Who is told of what a command did: [notify] of the config.
#pragma once

#include <array>
#include <set>
#include <string>
#include <string_view>

namespace ingot {

// What `on` may name. "failure" is any command of these that did not end with 0; "restore" is rollback, resume and undo, too.
inline constexpr std::array<std::string_view, 6> kNotifyEvents = {"failure", "restore", "snapshot", "promote", "verify", "drill"};

struct NotifySpec {
    std::string webhook_env;  // the variable that holds the url, which is a secret; or systemd's credential of that name
    std::string
        webhook_template;      // JSON with {{placeholders}}; empty: {"text": "{{text}}"}, which Slack, Mattermost and others take
    std::string healthchecks;  // the ping url, or:
    std::string healthchecks_env;  // the variable that holds it
    std::string command;           // gets the event as JSON on its standard input
    std::set<std::string> on = {"failure", "restore"};

    bool any() const { return !webhook_env.empty() || !healthchecks.empty() || !healthchecks_env.empty() || !command.empty(); }
};

}  // namespace ingot
