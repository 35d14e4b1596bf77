// The incident report of a restore, in Markdown (CommonMark with tables): summary, timeline, versions, what was restored, what
// was lost, probes, next actions. Made from its audit record alone, so that it can be made on any machine that opens the
// repository.
//
// What text from hooks, probes and people holds cannot change the report's form: it is escaped in tables, and fenced in blocks.
// Times are local with their offset; the file's reader may sit elsewhere.
//
// Thread safety: pure. Errors: none.
#pragma once

#include <string>

#include "snapshot/audit.h"
#include "snapshot/manifest.h"

namespace ingot {

// `manifest`: that of the record's snapshot, where it is still there; it fills in what a recovery after a crash did not know.
std::string incident_report(const AuditRecord& record, const Manifest* manifest);

// For a cell of a table, or a line of prose: every character that Markdown gives a meaning is escaped.
std::string markdown_text(std::string_view text);
// Between fences longer than any run of backticks in it.
std::string markdown_block(std::string_view text);

}  // namespace ingot
