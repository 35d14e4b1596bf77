#include "drivers/mongodb_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <tuple>

#include "base/error.h"
#include "drivers/mongodb_documents.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

constexpr std::string_view kBson = ".bson", kJson = ".json", kServer = "server.json";
constexpr int64_t kVersion = 1;
// A collection has 64 indexes at most, of some KB each; a validator is a document.
constexpr uint64_t kMostDescriptionBytes = 64 << 20;
constexpr uint64_t kBatchBytes = 4 << 20, kBatchDocuments = 10'000;
constexpr std::string_view kWords[] = {"__ingot_new", "__ingot_old", "__ingot_late"};
constexpr size_t kIdDigits = 16;

[[noreturn]] void damaged(const std::string& what) { throw Error(Code::damaged, what, "choose another snapshot"); }

std::vector<std::string> names_in(FileSystem& fs, const std::string& folder) {
    std::vector<std::string> out;
    fs.list(folder, [&](const std::string& name) { out.push_back(name); });
    std::sort(out.begin(), out.end());
    return out;
}

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::string MongoDescription::encode() const {
    Bson out;
    out.set("ingot", kVersion).set("type", view ? "view" : "collection");
    if (!view) out.set("documents", documents);
    out.set("options", options);
    if (!view) out.set("indexes", indexes);
    return out.json() + "\n";
}

MongoDescription MongoDescription::decode(std::string_view text, std::string_view what) {
    const Bson in = Bson::from_json(text, what);
    if (in.number("ingot") != kVersion)
        throw Error(Code::damaged, fmt::format("{} is of a version that this build of ingot does not know", what));
    MongoDescription out;
    out.view = in.text("type") == "view";
    out.documents = in.number("documents", -1);
    out.options = in.document("options");
    out.indexes = in.documents("indexes");
    if (!out.view && (in.text("type") != "collection" || out.documents < 0))
        throw Error(Code::damaged, fmt::format("{} describes no collection", what));
    return out;
}

std::string mongo_root(const std::string& source) { return source + ".mongodb"; }

std::string mongo_file_name(std::string_view name) {
    std::string out;
    for (size_t i = 0; i < name.size(); ++i) {
        const auto byte = static_cast<unsigned char>(name[i]);
        const bool plain = byte >= 0x20 && byte != 0x7f && byte != '%' && byte != '/' && !(byte == '.' && i == 0);
        if (plain) out += name[i];
        if (!plain) out += fmt::format("%{:02X}", byte);
    }
    return out;
}

std::string mongo_name_from_file(std::string_view file_name) {
    std::string out;
    for (size_t i = 0; i < file_name.size(); ++i) {
        if (file_name[i] != '%') {
            out += file_name[i];
            continue;
        }
        const int high = i + 2 < file_name.size() ? digit(file_name[i + 1]) : -1;
        const int low = i + 2 < file_name.size() ? digit(file_name[i + 2]) : -1;
        if (high < 0 || low < 0) damaged(fmt::format("{} is no file of a collection", printable(file_name)));
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::string encode_mongo_server(const std::string& version) { return Bson().set("version", version).json() + "\n"; }

MongoArtifact read_mongo_artifact(FileSystem& fs, const std::string& dir, const std::string& source) {
    MongoArtifact out;
    const std::string root = path_in_artifact(dir, mongo_root(source));
    const auto text = [&](const std::string& path) { return read_file(fs, path, kMostDescriptionBytes); };
    if (!fs.exists(join(root, std::string(kServer))))
        damaged(fmt::format("the artifact of {} does not hold {}/{}", source, printable(mongo_root(source)), kServer));
    out.version = Bson::from_json(text_of(text(join(root, std::string(kServer)))), kServer).text("version");
    for (const std::string& folder : names_in(fs, root)) {
        if (folder == kServer) continue;
        const std::vector<std::string> names = names_in(fs, join(root, folder));
        for (const std::string& name : names) {
            const std::string path = join(join(root, folder), name);
            if (name.ends_with(kBson)) {
                const std::string other = name.substr(0, name.size() - kBson.size()) + std::string(kJson);
                if (!std::binary_search(names.begin(), names.end(), other)) damaged(printable(path) + " has no description");
                continue;
            }
            if (!name.ends_with(kJson)) damaged(printable(path) + " is no file of a collection");
            MongoArtifact::Collection one;
            const std::string stem = name.substr(0, name.size() - kJson.size());
            one.database = mongo_name_from_file(folder);
            one.name = mongo_name_from_file(stem);
            one.description = MongoDescription::decode(text_of(text(path)), printable(join(folder, name)));
            if (!one.description.view) {
                one.path = join(join(root, folder), stem + std::string(kBson));
                const auto bytes = fs.file_size(one.path);
                if (!bytes) damaged(printable(one.path) + " is missing");
                one.bytes = *bytes;
            }
            out.collections.push_back(std::move(one));
        }
    }
    std::sort(out.collections.begin(), out.collections.end(),
              [](const auto& a, const auto& b) { return std::tie(a.database, a.name) < std::tie(b.database, b.name); });
    return out;
}

void check_mongo_documents(FileSystem& fs, const MongoArtifact::Collection& collection) {
    if (collection.description.view) return;
    const std::shared_ptr<ReadFile> file = fs.open(collection.path);
    int64_t documents = 0;
    for_each_batch([&](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); }, collection.bytes,
                   kBatchBytes, kBatchDocuments, printable(collection.full_name()),
                   [&](ByteView, uint64_t count) { documents += static_cast<int64_t>(count); });
    if (documents == collection.description.documents) return;
    damaged(fmt::format("{} has {} documents, and its description says {}", printable(collection.full_name()), documents,
                        collection.description.documents));
}

bool is_mongo_restore_name(std::string_view name) {
    for (const std::string_view word : kWords) {
        const size_t at = name.rfind(word);
        if (at == std::string_view::npos || at == 0) continue;
        const std::string_view rest = name.substr(at + word.size());
        if (rest.empty()) return true;
        const bool id = rest.size() == kIdDigits + 1 && rest.front() == '_' &&
                        rest.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
        if (id) return true;
    }
    return false;
}

std::string mongo_name_beside(const std::string& name, std::string_view word, const std::string& restore_id) {
    return fmt::format("{}__ingot_{}{}{}", name, word, restore_id.empty() ? "" : "_", restore_id);
}

}  // namespace ingot
