#include "store/client_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {

static constexpr std::string_view kMagic = "INGTSEEN";
static constexpr uint64_t kMemoryLimitBytes = 16 << 20;

namespace {

struct Seen {
    WriterId writer;
    uint64_t number;
    Digest hash;
};

// A memory that cannot be read is a first contact: it lies on this client, out of the storage's reach.
std::vector<Seen> load_seen(FileSystem& fs, const std::string& path) {
    std::vector<Seen> seen;
    try {
        const Bytes file = read_file(fs, path, kMemoryLimitBytes);
        Decoder whole(file, "the memory of heads");
        if (file.size() < 32) whole.fail("it is too short");
        const ByteView body = ByteView(file).first(file.size() - 32);
        if (!std::ranges::equal(sha256(body).view(), ByteView(file).subspan(body.size())))
            whole.fail("its checksum does not match");
        Decoder in(body, "the memory of heads");
        in.expect(kMagic);
        seen.resize(in.count(56));
        for (Seen& one : seen) {
            one.writer = in.name<WriterId>();
            one.number = in.u64();
            one.hash = in.name<Digest>();
        }
        in.finish();
    } catch (const Error& error) {
        if (error.code() != Code::not_found && error.code() != Code::damaged) throw;
        seen.clear();
    }
    return seen;
}

WriterId random_writer() {
    WriterId writer;
    random_bytes(writer.bytes);
    return writer;
}

}  // namespace

ClientMemory::ClientMemory(FileSystem& fs, const std::string& state_dir, const RepositoryId& repository)
    : fs_(fs), folder_(join(state_dir, repository.hex())) {}

WriterId ClientMemory::writer() {
    try {
        const Bytes text = read_file(fs_, join(folder_, "writer"), 64);
        if (text.size() == 33) return WriterId::from_hex(text_of(text).substr(0, 32));
    } catch (const Error& error) {
        if (error.code() != Code::not_found && error.code() != Code::damaged && error.code() != Code::usage) throw;
        ignore_error(error,
                     "a writer id that is lost or unreadable is replaced by a new one; chains of different writers never meet");
    }
    return new_writer();
}

WriterId ClientMemory::new_writer() {
    make_dirs(fs_, folder_, 0700);
    const WriterId writer = random_writer();
    const std::string text = writer.hex() + "\n";
    replace_file(fs_, join(folder_, "writer"), view_of(text));
    return writer;
}

void ClientMemory::check_config(const Digest& config_id) {
    Bytes seen;
    try {
        seen = read_file(fs_, join(folder_, "config"), 64);
    } catch (const Error& error) {
        if (error.code() != Code::not_found && error.code() != Code::damaged) throw;
    }
    if (seen.size() != 64) {
        accept_config(config_id);
    } else if (text_of(seen) != config_id.hex()) {
        throw Error(
            Code::tampered, "the repository's config is another than the one this machine saw",
            "a config is never changed: put it back from a copy, or accept it with `ingot check --accept-head` if you know why");
    }
}

void ClientMemory::accept_config(const Digest& config_id) {
    make_dirs(fs_, folder_, 0700);
    const std::string text = config_id.hex();
    replace_file(fs_, join(folder_, "config"), view_of(text));
}

void ClientMemory::check(BlobStore& blobs, const HeadState& heads) const {
    for (const Seen& seen : load_seen(fs_, join(folder_, "heads"))) {
        const std::string path = head_path(seen.writer, seen.number);
        const auto writer = heads.writers.find(seen.writer);
        const bool there = writer != heads.writers.end() && writer->second.last >= seen.number;
        std::string what;
        if (!there) {
            what = fmt::format("this repository is older than the one this machine saw last: {} is not there", path);
        } else {
            try {
                if (sha256(blobs.get(path, kMemoryLimitBytes)) == seen.hash) continue;
                // A damaged file is damage where its neighbours say so, tampering where it is whole and other.
                const bool known_damage =
                    std::ranges::any_of(heads.problems, [&](const std::string& p) { return p.starts_with(path); });
                if (known_damage) continue;
                what = fmt::format("{} is another than the one this machine saw", path);
            } catch (const Error& error) {
                if (error.code() != Code::not_found) throw;
                what = fmt::format("{}, which this machine saw, is missing", path);
            }
        }
        throw Error(Code::tampered, what,
                    "an old copy of the repository was put back, or someone changed it: find out, then accept it with `ingot "
                    "check --accept-head`");
    }
}

static Bytes encode_memory(const HeadState& heads) {
    Encoder out;
    out.raw(kMagic).u32(static_cast<uint32_t>(heads.writers.size()));
    for (const auto& [writer, state] : heads.writers) out.raw(writer.view()).u64(state.last).raw(state.last_hash.view());
    const Digest sum = sha256(out.bytes());
    return out.raw(sum.view()).take();
}

bool ClientMemory::knows(const HeadState& heads) const {
    try {
        return read_file(fs_, join(folder_, "heads"), kMemoryLimitBytes) == encode_memory(heads);
    } catch (const Error& error) {
        if (error.code() != Code::not_found && error.code() != Code::damaged) throw;
        return false;
    }
}

void ClientMemory::remember(const HeadState& heads) {
    if (knows(heads)) return;
    make_dirs(fs_, folder_, 0700);
    replace_file(fs_, join(folder_, "heads"), encode_memory(heads));
}

}  // namespace ingot
