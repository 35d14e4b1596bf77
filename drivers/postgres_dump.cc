#include "drivers/postgres_dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"

namespace ingot {
namespace {

class ArchiveStream : public Stream {
public:
    ArchiveStream(const Spool& spool, std::vector<Section> sections) : spool_(spool), sections_(std::move(sections)) {}

    std::optional<Section> next_section() override {
        if (next_ == sections_.size()) return std::nullopt;
        left_ = sections_[next_].length_bytes;
        return sections_[next_++];
    }

    size_t read(std::span<uint8_t> out) override {
        const auto wanted = static_cast<size_t>(std::min<uint64_t>(out.size(), left_));
        const size_t n = wanted == 0 ? 0 : spool_.read_at(offset_, out.first(wanted));
        offset_ += n;
        left_ -= n;
        return n;
    }

private:
    const Spool& spool_;
    std::vector<Section> sections_;
    size_t next_ = 0;
    uint64_t offset_ = 0, left_ = 0;
};

}  // namespace

PgDump::PgDump(const PgTools& tools, Command command, std::string what, const std::string& spool_dir)
    : tools_(tools),
      command_(std::move(command)),
      what_(std::move(what)),
      spool_(spool_dir),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

void PgDump::work(const std::stop_token& stop) {
    command_.stop_when = [&] { return interrupted() || stop.stop_requested(); };
    command_.output_to = [&](std::span<const uint8_t> bytes) {
        spool_.append(bytes);
        const std::lock_guard lock(mutex_);
        if (std::exchange(first_byte_, true)) return;
        changed_.notify_all();
    };
    CommandResult result;
    std::exception_ptr error;
    try {
        result = tools_.run(command_, what_);
    } catch (...) {
        error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    result_ = std::move(result);
    error_ = error;
    ended_ = true;
    changed_.notify_all();
}

void PgDump::wait_for_first_byte() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return first_byte_ || ended_; });
    if (ended_ && error_) std::rethrow_exception(error_);
}

const PgArchive& PgDump::wait_for_archive() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
    if (error_) std::rethrow_exception(error_);
    if (archive_) return *archive_;
    try {
        archive_ =
            parse_pg_archive([&](uint64_t offset, std::span<uint8_t> out) { return spool_.read_at(offset, out); }, spool_.size());
    } catch (const Error& error) {
        throw Error(Code::source, fmt::format("{} ended well, and what it printed is no whole dump: {}", what_, error.what()),
                    "run it by hand, and look for a `tools` prefix that prints something of its own");
    }
    return *archive_;
}

std::unique_ptr<Stream> PgDump::stream() const {
    return std::make_unique<ArchiveStream>(spool_, pg_archive_sections(archive_.value(), spool_.size()));
}

}  // namespace ingot
