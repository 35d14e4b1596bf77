#include "drivers/faiss_child.h"

#include <faiss/Index.h>
#include <faiss/IndexBinary.h>
#include <faiss/index_io.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <iterator>
#include <memory>
#include <new>
#include <string_view>
#include <tuple>

#include "base/clock.h"
#include "base/error.h"
#include "base/filesystem.h"
#include "base/process.h"
#include "base/scratch_folder.h"
#include "drivers/faiss_blas.h"
#include "drivers/faiss_search.h"

namespace ingot {
namespace {

constexpr std::string_view kArgument = "--faiss-child";
// The child's exit statuses, apart from 0 and kFaissNoLibrary (6).
constexpr int kRejected = 3;  // FAISS threw; its words are on standard error
constexpr int kNoMemory = 4;
constexpr int kNotKnown = 5;     // a kind of index that this FAISS does not know
constexpr int kNotSearched = 7;  // it is open, and cannot answer the queries; why, and what to do, on standard error

// The limit of memory: what is read is held once and, while vectors grow, twice; the maps of IDMap2 and of direct maps take some
// 50 bytes a vector, whatever is in the file; and the program itself maps its libraries.
constexpr uint64_t kBytesPerVector = 64;
constexpr uint64_t kProgramBytes = 1 << 30;
// A slow disk reads 20 MB/s.
constexpr int64_t kStartMs = 60'000;
constexpr uint64_t kBytesPerMs = 20'000;
// One processor compares a GB of vectors with a query in a second.
constexpr uint64_t kSearchedBytesPerMs = 1'000'000;
// Answers to the most queries, of the largest vectors.
constexpr size_t kMostAnswerBytes = 8 << 20;

// Words that FAISS uses for four letters it does not know, and for nothing else.
bool is_unknown_kind(const char* words) { return std::strstr(words, "not recognized") != nullptr; }

bool is_binary(const char* path) {
    char letters[2] = {};
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    const bool read = fd >= 0 && ::read(fd, letters, sizeof letters) == sizeof letters;
    if (fd >= 0) ::close(fd);
    return read && letters[0] == 'I' && letters[1] == 'B';
}

void limit_child(uint64_t memory_bytes) {
    // AddressSanitizer maps terabytes.
#if !defined(__SANITIZE_ADDRESS__)
    const rlimit memory{memory_bytes, memory_bytes};
    ::setrlimit(RLIMIT_AS, &memory);
#endif
    (void)memory_bytes;
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    // Should the machine run out of memory all the same, this process goes first, and no database.
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!::write(fd, "1000", 4);
        ::close(fd);
    }
}

// read_index prints; what the parent reads comes last, behind a line of its own.
template <class Index>
void say(const Index& index, const std::string* request) {
    const std::string answer = request == nullptr ? "" : search_faiss(index, *request);
    std::printf("\nindex %ld %ld %ld\n%s", static_cast<long>(index.ntotal), static_cast<long>(index.d),
                static_cast<long>(index.metric_type), answer.c_str());
    std::fflush(stdout);
}

// The index is not freed: the process ends.
void read(const char* path, bool lists_beside, const std::string* request) {
    // Tables for searching, which read_index would compute, may be larger than the index.
    int flags = faiss::IO_FLAG_READ_ONLY | faiss::IO_FLAG_SKIP_PRECOMPUTE_TABLE;
    if (lists_beside) flags |= faiss::IO_FLAG_ONDISK_SAME_DIR;
    if (is_binary(path)) {
        return say(*faiss::read_index_binary(path, flags), request);
    }
    say(*faiss::read_index(path, flags), request);
}

std::string last_words(const CommandResult& result) {
    std::string words = result.err;
    while (!words.empty() && words.back() == '\n') words.pop_back();
    constexpr size_t kMost = 300;
    if (words.size() > kMost) words = words.substr(words.size() - kMost);
    return printable(words);
}

std::optional<FaissOpened> parse_answer(const std::string& out, bool searched) {
    const size_t at = out.rfind("\nindex ");
    if (at == std::string::npos) return std::nullopt;
    long ntotal = 0, dimension = 0, metric = 0;
    if (std::sscanf(out.c_str() + at, "\nindex %ld %ld %ld", &ntotal, &dimension, &metric) != 3) return std::nullopt;
    FaissOpened opened{ntotal, dimension, metric, {}};
    if (!searched) return opened;
    const size_t answer = out.find('\n', at + 1);
    auto answers = answer == std::string::npos ? std::nullopt : decode_faiss_answer(std::string_view(out).substr(answer + 1));
    if (!answers) return std::nullopt;
    opened.answers = std::move(*answers);
    return opened;
}

Error damaged(const std::string& why) {
    return {Code::damaged, "FAISS cannot open the index: " + why,
            "choose another snapshot, or look whether the application can read it"};
}

// Where the index is expected to find its lists: beside itself. Links are enough.
std::string with_lists(const FaissOpen& what, const ScratchFolder& folder) {
    const std::string index = join(folder.path(), "index");
    if (::symlink(what.index.c_str(), index.c_str()) != 0) throw Error::from_errno("making a link in", folder.path(), errno);
    for (const std::string& lists : what.lists) {
        if (::symlink(lists.c_str(), join(folder.path(), base_name_of(lists)).c_str()) != 0)
            throw Error::from_errno("making a link in", folder.path(), errno);
    }
    return index;
}

int child(const char* path, const char* memory_text, bool lists_beside, bool search) {
    uint64_t memory = 0;
    const std::string_view text(memory_text);
    if (std::from_chars(text.data(), text.data() + text.size(), memory).ec != std::errc()) return kRejected;
    limit_child(memory);
    try {
        std::string request;
        if (search) request.assign(std::istreambuf_iterator<char>(std::cin), {});
        read(path, lists_beside, search ? &request : nullptr);
        return 0;
    } catch (const std::bad_alloc&) {
        return kNoMemory;
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.hint().c_str());
        return kNotSearched;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return is_unknown_kind(error.what()) ? kNotKnown : kRejected;
    }
}

}  // namespace

std::optional<FaissOpened> open_with_faiss(const FaissOpen& what) {
    std::optional<ScratchFolder> folder;
    std::string path = what.index;
    if (!what.lists.empty()) path = with_lists(what, folder.emplace(real_filesystem(), what.scratch_dir));
    Command command;
    command.argv = what.program;
    const uint64_t memory = what.bytes * 2 + what.vectors * kBytesPerVector + kProgramBytes;
    for (std::string argument : {std::string(kArgument), path, std::to_string(memory),
                                 std::string(what.lists.empty() ? "0" : "1"), std::string(what.search ? "1" : "0")})
        command.argv.push_back(std::move(argument));
    if (what.search) command.input = encode_faiss_search(*what.search);
    command.output_limit_bytes = kMostAnswerBytes;
    // One thread: reading needs no more, and each would have a stack within the limit.
    command.environment = {{"OMP_NUM_THREADS", "1"}};
    const uint64_t queries = what.search ? std::max<uint64_t>(what.search->spread, what.search->queries.size()) : 0;
    command.limit_ms =
        what.limit_ms != 0
            ? what.limit_ms
            : kStartMs + static_cast<int64_t>(what.bytes / kBytesPerMs + queries * (what.bytes / kSearchedBytesPerMs));
    CommandResult result;
    try {
        result = run(command);
    } catch (const Error& error) {
        if (std::string_view(error.what()).find("ran longer than") == std::string_view::npos) throw;
        throw damaged(fmt::format("reading it took longer than {}", human_duration(command.limit_ms)));
    }
    if (result.status == kFaissNoLibrary)
        throw Error(Code::failed, "FAISS cannot run: " + last_words(result), "install the packages libblas3 and liblapack3");
    switch (result.status) {
        case 0:
            if (std::optional<FaissOpened> answer = parse_answer(result.out, what.search.has_value())) return answer;
            throw damaged("it read it, and said nothing of it");
        case kNotSearched: {
            const size_t line = std::min(result.err.find('\n'), result.err.size());
            std::string hint = line < result.err.size() ? result.err.substr(line + 1) : std::string();
            while (hint.ends_with('\n')) hint.pop_back();
            throw Error(Code::failed, "FAISS cannot search it: " + printable(result.err.substr(0, line)), printable(hint));
        }
        case kRejected:
            throw damaged(last_words(result));
        case kNoMemory:
            throw damaged(fmt::format("it asks for more than {} of memory", human_bytes(memory)));
        case kNotKnown:
            return std::nullopt;
        case 128 + SIGKILL:
            throw damaged("it was killed; was the machine out of memory?");
        default:
            if (result.status > 128) throw damaged(fmt::format("it crashed ({})", ::strsignal(result.status - 128)));
            throw damaged(fmt::format("it ended with status {}: {}", result.status, last_words(result)));
    }
}

std::string faiss_version() { return fmt::format("{}.{}.{}", FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH); }

bool faiss_knows(const std::string& type) {
    struct Later {
        std::string_view name;
        int major, minor, patch;
    };
    // The names of drivers/faiss_*.cc for letters that came after 1.7.3, the oldest FAISS that is built with, and their release.
    static constexpr std::array<Later, 3> kLater = {
        {{"IndependentQuantizer", 1, 7, 4}, {"Cagra", 1, 8, 0}, {"RaBitQ", 1, 11, 0}}};
    if (type.find('?') != std::string::npos) return false;  // letters that the parser, which is newer, does not know
    return std::none_of(kLater.begin(), kLater.end(), [&](const Later& later) {
        return type.find(later.name) != std::string::npos &&
               std::tuple(FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH) <
                   std::tuple(later.major, later.minor, later.patch);
    });
}

std::optional<int> run_faiss_child(int argc, char** argv) {
    if (argc != 6 || argv[1] != kArgument) return std::nullopt;
    const int status = child(argv[2], argv[3], argv[4][0] == '1', argv[5][0] == '1');
    // What FAISS left allocated goes with the process: nobody waits for it to be freed, or looks for leaks in it.
    std::fflush(nullptr);
    ::_exit(status);
}

}  // namespace ingot
