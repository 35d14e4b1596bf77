// The commands. Each runs one, prints its result, and returns the exit status; errors are thrown.
#pragma once

#include "cli/invocation.h"

namespace ingot {

int cmd_init(Invocation& run);
int cmd_snapshot(Invocation& run);
int cmd_promote(Invocation& run);
int cmd_list(Invocation& run);
int cmd_show(Invocation& run);
int cmd_ls(Invocation& run);
int cmd_cat(Invocation& run);
int cmd_diff(Invocation& run);
int cmd_stats(Invocation& run);
int cmd_verify(Invocation& run);
int cmd_check(Invocation& run);
int cmd_restore(Invocation& run);
int cmd_rollback(Invocation& run);
int cmd_undo(Invocation& run);
int cmd_compat(Invocation& run);
int cmd_drill(Invocation& run);
int cmd_guard(Invocation& run);
int cmd_audit(Invocation& run);
int cmd_report(Invocation& run);
int cmd_key_add(Invocation& run);
int cmd_key_remove(Invocation& run);
int cmd_key_list(Invocation& run);
int cmd_key_passwd(Invocation& run);
int cmd_config_validate(Invocation& run);
int cmd_config_show(Invocation& run);
int cmd_config_generate(Invocation& run);
int cmd_completion(Invocation& run);
int cmd_version(Invocation& run);

}  // namespace ingot
