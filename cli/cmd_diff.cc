// diff and stats: comparing and counting.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/pick.h"
#include "drivers/env_parse.h"
#include "snapshot/diff.h"

namespace ingot {

static const char* word_of(Difference::What what) {
    switch (what) {
        case Difference::What::added:
            return "added";
        case Difference::What::removed:
            return "removed";
        case Difference::What::changed:
            return "changed";
        case Difference::What::metadata:
            return "metadata";
    }
    return "changed";
}

static std::string sizes_of(const Difference& difference) {
    switch (difference.what) {
        case Difference::What::added:
            return human_bytes(difference.bytes_after);
        case Difference::What::removed:
            return human_bytes(difference.bytes_before);
        case Difference::What::changed:
            return fmt::format("{} -> {}, {} new", human_bytes(difference.bytes_before), human_bytes(difference.bytes_after),
                               human_bytes(difference.bytes_new));
        case Difference::What::metadata:
            return "owner, mode or times";
    }
    return "";
}

int cmd_diff(Invocation& run) {
    const auto repository = run.open(LockMode::shared);
    const Snapshot before = pick(run, *repository, run.arguments.look.which);
    const Snapshot after = pick(run, *repository, run.arguments.look.other);
    uint64_t added = 0, removed = 0, changed = 0, metadata = 0, bytes_new = 0;
    diff_snapshots(*repository, before, after, parse_env, [&](const Difference& difference) {
        (difference.what == Difference::What::added     ? added
         : difference.what == Difference::What::removed ? removed
         : difference.what == Difference::What::changed ? changed
                                                        : metadata)++;
        bytes_new += difference.bytes_new;
        JsonObject object("difference");
        object.add("what", word_of(difference.what)).add("source", difference.source).add_path("path", difference.path);
        object.add("bytes_before", difference.bytes_before)
            .add("bytes_after", difference.bytes_after)
            .add("bytes_new", difference.bytes_new);
        if (!difference.keys.empty()) object.add("keys", difference.keys);
        run.out.object(object);
        const std::string keys = difference.keys.empty() ? "" : fmt::format("  {}", fmt::join(difference.keys, " "));
        run.out.line(fmt::format("{:<9}{}  ({}){}", word_of(difference.what),
                                 printable(difference.source + "/" + difference.path), sizes_of(difference), printable(keys)));
    });
    run.out.line(fmt::format("{} -> {}: {} added, {} removed, {} changed, {} in metadata only; {} new", before.short_id(),
                             after.short_id(), added, removed, changed, metadata, human_bytes(bytes_new)));
    JsonObject object("summary");
    object.add("before", before.id.hex())
        .add("after", after.id.hex())
        .add("added", added)
        .add("removed", removed)
        .add("changed", changed);
    run.out.object(object.add("metadata", metadata).add("bytes_new", bytes_new).add("exit", kExitDone));
    return kExitDone;
}

int cmd_stats(Invocation& run) {
    const auto repository = run.open(LockMode::shared);
    const RepositoryStats stats = repository->stats();
    uint64_t data_bytes = 0, meta_bytes = 0;
    for (const PackInfo& pack : repository->packs()) (pack.kind == ChunkKind::data ? data_bytes : meta_bytes) += pack.size;
    uint64_t snapshots = 0, golden = 0, shown_bytes = 0;
    for (const Snapshot& snapshot : all_snapshots(run, *repository)) {
        if (!run.arguments.stack.empty() && snapshot.manifest.stack != run.arguments.stack) continue;
        ++snapshots;
        golden += snapshot.golden() ? 1 : 0;
        shown_bytes += bytes_of(snapshot.manifest);
    }
    const uint64_t stored = stats.pack_bytes + stats.record_bytes + stats.head_bytes;
    const double ratio = stored == 0 ? 0 : static_cast<double>(shown_bytes) / static_cast<double>(stored);
    Table table({"", ""});
    table.add({"repository", printable(repository->path())});
    table.add({"encrypted", repository->encrypted() ? "yes" : "no"});
    table.add({"snapshots", fmt::format("{}, of which {} golden", snapshots, golden)});
    table.add({"they show", human_bytes(shown_bytes)});
    table.add({"stored", fmt::format("{} (1 : {:.1f})", human_bytes(stored), ratio)});
    table.add({"  packs", fmt::format("{} in {}: data {}, meta {}", human_bytes(stats.pack_bytes), counted(stats.packs, "pack"),
                                      human_bytes(data_bytes), human_bytes(meta_bytes))});
    table.add({"  records", fmt::format("{} in {}", human_bytes(stats.record_bytes), stats.records)});
    table.add({"  heads", fmt::format("{} in {}", human_bytes(stats.head_bytes), stats.heads)});
    table.add({"chunks", std::to_string(stats.chunks)});
    table.add({"index", human_bytes(stats.index_bytes)});
    run.out.table(table);
    JsonObject object("stats");
    object.add_path("repository", repository->path())
        .add("repository_id", repository->id().hex())
        .add("encrypted", repository->encrypted());
    object.add("snapshots", snapshots).add("golden", golden).add("bytes_shown", shown_bytes).add("bytes_stored", stored);
    object.add("packs", stats.packs)
        .add("bytes_packs", stats.pack_bytes)
        .add("bytes_data_packs", data_bytes)
        .add("bytes_meta_packs", meta_bytes);
    object.add("records", stats.records)
        .add("bytes_records", stats.record_bytes)
        .add("heads", stats.heads)
        .add("bytes_heads", stats.head_bytes);
    run.out.object(object.add("chunks", stats.chunks).add("bytes_index", stats.index_bytes));
    return kExitDone;
}

}  // namespace ingot
