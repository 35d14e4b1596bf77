#include "snapshot/files_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "drivers/driver.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "INGOTFC1";
constexpr size_t kTrailerBytes = 16;
constexpr size_t kBufferBytes = 1 << 20;
// Longer than any entry can be: a path and a fingerprint of 64 KiB each.
constexpr size_t kPartLimitBytes = 65535;
constexpr size_t kEntryLimitBytes = 2 * kPartLimitBytes + 256;

// FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/: only against torn and mixed files, never against a forger.
constexpr uint64_t kFnvStart = 0xcbf29ce484222325;
uint64_t fnv1a(uint64_t sum, ByteView bytes) {
    for (const uint8_t byte : bytes) sum = (sum ^ byte) * 0x100000001b3;
    return sum;
}

// Everything but letters, digits, '-' and '_' as %XX, so that no two names meet and none leaves its folder.
std::string safe_name(const std::string& name) {
    std::string out;
    for (const char c : name) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (plain) {
            out += c;
        } else {
            out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

void encode(const CachedFile& file, Encoder& out) {
    Encoder rest;
    rest.prefixed(file.path).prefixed(file.fingerprint);
    rest.u8(file.root.height).raw(file.root.digest.view()).u64(file.root.size);
    rest.u8(file.sha256 ? 1 : 0);
    if (file.sha256) rest.raw(file.sha256->view());
    rest.u64(file.chunks);
    out.prefixed(rest.bytes());
}

void decode(ByteView rest, CachedFile& file) {
    Decoder in(rest, "the files cache");
    file.path.assign(text_of(in.prefixed(kPartLimitBytes)));
    const ByteView fingerprint = in.prefixed(kPartLimitBytes);
    file.fingerprint.assign(fingerprint.begin(), fingerprint.end());
    file.root.height = in.u8();
    file.root.digest = in.name<Digest>();
    file.root.size = in.u64();
    file.sha256.reset();
    if (in.u8() != 0) file.sha256 = in.name<Digest>();
    file.chunks = in.u64();
    in.finish();
}

}  // namespace

std::string files_cache_path(const std::string& state_dir, const RepositoryId& repository, const std::string& stack,
                             const std::string& source) {
    return join(join(join(state_dir, repository.hex()), "files"), safe_name(stack) + "." + safe_name(source));
}

FilesCacheReader::FilesCacheReader(FileSystem& fs, const std::string& path, const std::string& generation) {
    try {
        open(fs, path, generation);
    } catch (const Error& error) {
        ignore_error(error, "a files cache that cannot be read is one that remembers nothing");
        forget();
    }
}

// The whole file is summed up before its first entry is believed.
void FilesCacheReader::open(FileSystem& fs, const std::string& path, const std::string& generation) {
    file_ = fs.open(path);
    const uint64_t size = file_->size();
    if (size < kTrailerBytes) return forget();
    buffer_.resize(kBufferBytes);
    uint64_t sum = kFnvStart;
    for (uint64_t at = 0; at < size - 8;) {
        const auto wanted = static_cast<size_t>(std::min<uint64_t>(kBufferBytes, size - 8 - at));
        if (file_->read_at(at, std::span(buffer_).first(wanted)) != wanted) return forget();
        sum = fnv1a(sum, ByteView(buffer_).first(wanted));
        at += wanted;
    }
    Bytes trailer(kTrailerBytes);
    if (file_->read_at(size - kTrailerBytes, trailer) != kTrailerBytes) return forget();
    Decoder last(trailer, "the files cache");
    count_ = last.u64();
    if (last.u64() != sum) return forget();
    buffer_.clear();
    end_ = size - kTrailerBytes;
    if (text_of(take(kMagic.size())) != kMagic) return forget();
    const uint32_t length = Decoder(take(4), "the files cache").u32();
    if (length > kPartLimitBytes || text_of(take(length)) != generation) return forget();
    if (!advance()) count_ = 0;
}

// The next `wanted` bytes; nothing where there are fewer. Borrowed until the next call.
ByteView FilesCacheReader::take(size_t wanted) {
    const size_t have = buffer_.size() - buffered_from_;
    if (have < wanted) {
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_from_));
        buffered_from_ = 0;
        const auto more = static_cast<size_t>(std::min<uint64_t>(std::max(kBufferBytes, wanted), end_ - offset_));
        buffer_.resize(have + more);
        if (file_->read_at(offset_, std::span(buffer_).subspan(have)) != more)
            throw Error(Code::damaged, "the files cache shrank");
        offset_ += more;
        if (buffer_.size() < wanted) throw Error(Code::damaged, "the files cache ends too early");
    }
    const ByteView out = ByteView(buffer_).subspan(buffered_from_, wanted);
    buffered_from_ += wanted;
    return out;
}

bool FilesCacheReader::advance() {
    if (offset_ == end_ && buffered_from_ == buffer_.size()) {
        current_.reset();
        return false;
    }
    const uint32_t length = Decoder(take(4), "the files cache").u32();
    if (length > kEntryLimitBytes) throw Error(Code::damaged, "the files cache has an entry too long");
    if (!current_) current_.emplace();
    decode(take(length), *current_);
    return true;
}

void FilesCacheReader::forget() {
    file_.reset();
    current_.reset();
    count_ = 0;
}

const CachedFile* FilesCacheReader::find(const std::string& path, const Bytes& fingerprint) {
    try {
        while (current_ && listing_less(current_->path, path)) advance();
    } catch (const Error& error) {
        ignore_error(error, "what cannot be read of a files cache is not remembered");
        forget();
    }
    if (!current_ || fingerprint.empty() || current_->path != path || current_->fingerprint != fingerprint) return nullptr;
    ++hits_;
    return &*current_;
}

FilesCacheWriter::FilesCacheWriter(FileSystem& fs, const std::string& path, const std::string& generation)
    : fs_(fs), path_(path), temporary_(path + ".new"), sum_(kFnvStart) {
    attempt([&] {
        make_dirs(fs_, parent_of(path_), 0700);
        if (fs_.exists(temporary_))
            fs_.remove(temporary_);  // of a run that was killed: the append lock says that nobody else writes
        file_ = fs_.create(temporary_, 0600);
        Encoder head;
        head.raw(kMagic).prefixed(generation);
        write(head.bytes());
    });
}

// After the first failure nothing more is tried: the present cache stays as it is.
void FilesCacheWriter::attempt(const std::function<void()>& work) {
    if (!problem_.empty()) return;
    try {
        work();
    } catch (const Error& error) {
        problem_ = error.what();
    }
}

FilesCacheWriter::~FilesCacheWriter() {
    if (published_ || !file_) return;
    file_.reset();
    try {
        fs_.remove(temporary_);
    } catch (const Error& error) {
        ignore_error(error, "the next run replaces it");
    }
}

void FilesCacheWriter::add(const CachedFile& file) {
    if (file.path.size() > kPartLimitBytes || file.fingerprint.size() > kPartLimitBytes) return;
    attempt([&] {
        Encoder out;
        encode(file, out);
        write(out.bytes());
        ++count_;
    });
}

void FilesCacheWriter::write(ByteView bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    if (buffer_.size() >= kBufferBytes) flush();
}

void FilesCacheWriter::flush() {
    sum_ = fnv1a(sum_, buffer_);
    file_->append(buffer_);
    buffer_.clear();
}

void FilesCacheWriter::finish() {
    attempt([&] {
        Encoder count, sum;
        write(count.u64(count_).bytes());
        flush();
        file_->append(sum.u64(sum_).bytes());
        file_->sync();
    });
}

void FilesCacheWriter::publish() {
    attempt([&] {
        fs_.rename(temporary_, path_, Rename::replace);
        published_ = true;
        fs_.sync_dir(parent_of(path_));
    });
}

}  // namespace ingot
