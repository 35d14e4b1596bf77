#include "drivers/qdrant_download.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"

namespace ingot {

QdrantDownload::QdrantDownload(const QdrantSettings& settings, std::string collection, std::optional<uint32_t> shard,
                               const std::string& spool_dir, Code code)
    : settings_(settings),
      collection_(std::move(collection)),
      shard_(shard),
      code_(code),
      spool_(spool_dir),
      check_(!shard),
      walk_(bytes()),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

TarBytes QdrantDownload::bytes() const {
    return [this](uint64_t offset, std::span<uint8_t> out) { return spool_.read_at(offset, out); };
}

void QdrantDownload::pinned() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(pinned_, true)) return;
    changed_.notify_all();
}

void QdrantDownload::take(ByteView bytes) {
    spool_.append(bytes);
    while (const auto member = walk_.next(spool_.size())) check_.member(*member);
    if (check_.segment_seen()) pinned();
}

void QdrantDownload::work(const std::stop_token& stop) {
    const auto stopping = [&] { return stop.stop_requested(); };
    const auto to = [this](ByteView bytes) { take(bytes); };
    std::exception_ptr error;
    try {
        QdrantApi api(settings_, code_);
        try {
            if (shard_) {
                api.stream_shard(collection_, *shard_, to, stopping);
            } else {
                made_ = api.create_snapshot(collection_, stopping);
                pinned();
                api.download(collection_, made_.name, to, stopping);
                if (spool_.size() != made_.size)
                    throw Error(Code::damaged, fmt::format("the server made {} bytes, and sent {}", made_.size, spool_.size()));
            }
            check_.require_whole(walk_.ended());
        } catch (const Error& problem) {
            if (problem.code() != Code::damaged) throw;
            const std::string what =
                shard_ ? fmt::format("shard {} of {}", *shard_, printable(collection_)) : printable(collection_);
            throw problem.within(fmt::format("{}: {}", settings_.shown(), what)).as(code_);
        }
    } catch (...) {
        error = std::current_exception();
    }
    if (!made_.name.empty()) {
        try {
            QdrantApi(settings_, code_, false).delete_snapshot({collection_, std::nullopt}, made_.name);
        } catch (const Error& problem) {
            note_ = fmt::format("{}: the snapshot {} stays on the server, delete it there: {}", settings_.source,
                                printable(made_.name), problem.what());
        }
    }
    const std::lock_guard lock(mutex_);
    error_ = error;
    ended_ = true;
    changed_.notify_all();
}

void QdrantDownload::wait_pinned() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pinned_ || ended_; });
    if (error_) std::rethrow_exception(error_);
}

void QdrantDownload::wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
    if (error_) std::rethrow_exception(error_);
}

}  // namespace ingot
