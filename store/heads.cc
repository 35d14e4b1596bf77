#include "store/heads.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "INGTHEAD";
constexpr uint64_t kHeadLimitBytes = 64ULL << 20;

void put_names(Encoder& out, const std::vector<RecordName>& names) {
    out.u32(static_cast<uint32_t>(names.size()));
    for (const RecordName& name : names) out.u8(static_cast<uint8_t>(name.kind)).raw(name.id.view());
}

std::vector<RecordName> get_names(Decoder& in) {
    std::vector<RecordName> names(in.count(33));
    for (RecordName& name : names) {
        const uint8_t kind = in.u8();
        if (kind < 1 || kind > 4) in.fail("an unknown kind of record");
        name.kind = static_cast<RecordKind>(kind);
        name.id = in.name<RecordId>();
    }
    return names;
}

Digest digest_of(const std::set<RecordName>& names) {
    Sha256 hash;
    for (const RecordName& name : names) {
        const auto kind = static_cast<uint8_t>(name.kind);
        hash.update(ByteView(&kind, 1));
        hash.update(name.id.view());
    }
    return hash.finish();
}

// Heads by writer and number, from the listing.
std::map<WriterId, std::set<uint64_t>> list_heads(BlobStore& blobs, HeadState& state) {
    std::map<WriterId, std::set<uint64_t>> numbers;
    blobs.list("heads", [&](const std::string& name, uint64_t size) {
        const size_t slash = name.rfind('/');
        const std::string writer = name.substr(6, slash > 6 ? slash - 6 : 0);
        const std::string digits = name.substr(slash + 1);
        if (writer.size() != 32 || writer.find_first_not_of("0123456789abcdef") != std::string::npos || digits.size() != 10 ||
            digits.find_first_not_of("0123456789") != std::string::npos) {
            return;  // not a head's name; check_repository names it
        }
        numbers[WriterId::from_hex(writer)].insert(std::stoull(digits));
        ++state.files;
        state.bytes += size;
    });
    return numbers;
}

struct ReadHead {
    std::optional<Head> head;
    Digest hash;  // of the file as it is, good or not
    std::string problem;
};

ReadHead read_head(BlobStore& blobs, const WriterId& writer, uint64_t number, const RepositoryId& repository, ByteView head_key) {
    ReadHead out;
    try {
        const Bytes file = blobs.get(head_path(writer, number), kHeadLimitBytes);
        out.hash = sha256(file);
        Head head = decode_head(file, repository, head_key);
        if (head.writer != writer || head.number != number) throw Error(Code::damaged, "it lies under another head's name");
        out.head = std::move(head);
    } catch (const Error& error) {
        if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
        out.problem = error.code() == Code::not_found ? "it is missing" : error.what();
    }
    return out;
}

struct NumberedHead : ReadHead {
    uint64_t number = 0;
};

// The newest heads of a chain, oldest first, from a full one on. Only numbers that are there are visited: a name of any number
// may lie in a hostile folder.
std::vector<NumberedHead> newest_account(BlobStore& blobs, const WriterId& writer, const std::set<uint64_t>& numbers,
                                         const RepositoryId& repository, ByteView head_key) {
    std::vector<NumberedHead> heads;
    for (auto it = numbers.rbegin(); it != numbers.rend(); ++it) {
        heads.push_back({read_head(blobs, writer, *it, repository, head_key), *it});
        if (heads.back().head && (heads.back().head->full || *it == 1)) break;
    }
    std::reverse(heads.begin(), heads.end());
    return heads;
}

WriterState replay(BlobStore& blobs, const WriterId& writer, const std::set<uint64_t>& numbers, const RepositoryId& repository,
                   ByteView head_key, std::vector<std::string>& problems) {
    const std::vector<NumberedHead> heads = newest_account(blobs, writer, numbers, repository, head_key);
    const auto report = [&](uint64_t number, std::string_view what) {
        problems.push_back(fmt::format("{}: {}", head_path(writer, number), what));
    };
    WriterState state;
    state.last = heads.back().number;
    state.last_hash = heads.back().hash;
    bool whole = true;  // every head so far was read: the account must add up
    uint64_t expected = heads.front().head && heads.front().head->full ? heads.front().number : 1;
    Digest before;
    for (const NumberedHead& read : heads) {
        if (read.number != expected) {
            report(expected, "it is missing");
            whole = false;
        }
        expected = read.number + 1;
        if (!read.head) {
            report(read.number, read.problem);
            whole = false;
        } else {
            const Head& head = *read.head;
            if (head.full) {
                state.live.clear();
                whole = true;
            }
            for (const RecordName& name : head.added) state.live.insert(name);
            for (const RecordName& name : head.removed) {
                state.live.erase(name);
                state.removed.insert(name);
            }
            if (whole && !head.full && head.previous != before) report(read.number, "it does not follow the head before it");
            if (whole && (head.live != state.live.size() || head.live_digest != digest_of(state.live))) {
                report(read.number, "its live records do not add up");
            }
        }
        before = read.hash;
    }
    return state;
}

}  // namespace

Bytes encode_head(const Head& head, const RepositoryId& repository, ByteView head_key) {
    Encoder out;
    out.raw(kMagic).u16(1).u8(head.full ? 1 : 0).u8(0).u32(0).raw(repository.view()).raw(head.writer.view());
    out.u64(head.number).i64(head.time_ms).raw(head.previous.view());
    put_names(out, head.added);
    put_names(out, head.removed);
    out.u64(head.live).raw(head.live_digest.view());
    const Digest mac = HmacSha256(head_key)({out.bytes()});
    return out.raw(mac.view()).take();
}

Head decode_head(ByteView file, const RepositoryId& repository, ByteView head_key) {
    Decoder whole(file, "a head");
    if (file.size() < 32) whole.fail("it is too short");
    const ByteView body = file.first(file.size() - 32);
    if (!same_secret(HmacSha256(head_key)({body}).view(), file.subspan(body.size()))) whole.fail("its MAC does not match");
    Decoder in(body, "a head");
    in.expect(kMagic);
    if (in.u16() != 1) in.fail("an unknown version");
    Head head;
    const uint8_t full = in.u8();
    if (full > 1) in.fail("an unknown form");
    head.full = full == 1;
    in.expect_zeros(5);
    in.expect(repository.view());
    head.writer = in.name<WriterId>();
    head.number = in.u64();
    head.time_ms = in.i64();
    head.previous = in.name<Digest>();
    head.added = get_names(in);
    head.removed = get_names(in);
    head.live = in.u64();
    head.live_digest = in.name<Digest>();
    in.finish();
    return head;
}

std::string head_path(const WriterId& writer, uint64_t number) { return fmt::format("heads/{}/{:010}", writer.hex(), number); }

std::set<RecordName> HeadState::live() const {
    std::set<RecordName> all;
    for (const auto& [writer, state] : writers) all.insert(state.live.begin(), state.live.end());
    for (const auto& [writer, state] : writers) {
        for (const RecordName& name : state.removed) all.erase(name);
    }
    return all;
}

HeadState load_heads(BlobStore& blobs, const RepositoryId& repository, ByteView head_key) {
    HeadState state;
    for (const auto& [writer, numbers] : list_heads(blobs, state)) {
        state.writers.emplace(writer, replay(blobs, writer, numbers, repository, head_key, state.problems));
    }
    return state;
}

Head next_head(WriterState& state, const WriterId& writer, std::vector<RecordName> added, std::vector<RecordName> removed,
               bool full) {
    for (const RecordName& name : added) state.live.insert(name);
    for (const RecordName& name : removed) {
        state.live.erase(name);
        state.removed.insert(name);
    }
    Head head;
    head.full = full;
    head.writer = writer;
    head.number = state.last + 1;
    head.time_ms = wall_now_ms();
    head.previous = state.last_hash;
    head.added = full ? std::vector<RecordName>(state.live.begin(), state.live.end()) : std::move(added);
    head.removed = full ? std::vector<RecordName>(state.removed.begin(), state.removed.end()) : std::move(removed);
    head.live = state.live.size();
    head.live_digest = digest_of(state.live);
    return head;
}

}  // namespace ingot
