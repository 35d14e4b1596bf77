#include "store/config_file.h"

#include <fmt/format.h>

#include <bit>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "store/hash.h"

namespace ingot {

using nlohmann::json;

static constexpr uint64_t kConfigLimitBytes = 64 << 10;
static constexpr std::string_view kSumPrefix = "sha256 ";

Bytes encode_config(RepositoryConfig& config) {
    const json object = {
        {"format", kFormatVersion},
        {"id", config.id.hex()},
        {"created", config.created},
        {"required", json::array()},
        {"optional", json::array()},
        {"encryption", config.sealed ? "sealed" : "none"},
        {"cut",
         {{"algorithm", "gear-cdc"},
          {"min", config.cut.min_bytes},
          {"average", config.cut.average_bytes},
          {"max", config.cut.max_bytes}}},
        {"segment_bytes", config.segment_bytes},
        {"pack_bytes", config.pack_bytes},
    };
    const std::string line = object.dump();
    config.config_id = sha256(view_of(line));
    const std::string text = fmt::format("{}\n{}{}\n", line, kSumPrefix, config.config_id.hex());
    const ByteView bytes = view_of(text);
    return {bytes.begin(), bytes.end()};
}

[[noreturn]] static void damaged(std::string_view why) {
    throw Error(Code::damaged, fmt::format("the repository's config is damaged: {}", why));
}

// A whole number from 0 on: of any other the library would make one, by a conversion that is undefined.
static uint64_t whole(const json& object, const char* key) {
    const auto* const number = object.at(key).get_ptr<const json::number_unsigned_t*>();
    if (number == nullptr) damaged(fmt::format("\"{}\" is no whole number", key));
    return *number;
}

static uint32_t size_in(const json& object, const char* key, uint32_t least, uint32_t most) {
    const uint64_t value = whole(object, key);
    if (value < least || value > most) damaged(fmt::format("\"{}\" is {}", key, value));
    return static_cast<uint32_t>(value);
}

RepositoryConfig decode_config(ByteView file) {
    const std::string_view text = text_of(file);
    const size_t newline = text.find('\n');
    if (newline == std::string_view::npos) damaged("it has no second line");
    const std::string_view line = text.substr(0, newline);
    RepositoryConfig config;
    config.config_id = sha256(view_of(line));
    if (text.substr(newline + 1) != fmt::format("{}{}\n", kSumPrefix, config.config_id.hex())) {
        damaged("its checksum does not match");
    }
    try {
        const json object = json::parse(line);
        if (const uint64_t format = whole(object, "format"); format > kFormatVersion) {
            throw Error(Code::failed,
                        fmt::format("this repository has format {}, and this ingot reads up to {}", format, kFormatVersion),
                        "use a newer ingot; nothing was changed");
        }
        for (const json& feature : object.at("required")) {
            throw Error(Code::failed,
                        fmt::format("this repository needs \"{}\", which this ingot does not know", feature.get<std::string>()),
                        "use a newer ingot; nothing was changed");
        }
        config.id = RepositoryId::from_hex(object.at("id").get<std::string>());
        config.created = object.at("created").get<std::string>();
        const auto encryption = object.at("encryption").get<std::string>();
        if (encryption != "none" && encryption != "sealed") damaged("unknown encryption");
        config.sealed = encryption == "sealed";
        const json& cut = object.at("cut");
        if (cut.at("algorithm") != "gear-cdc") damaged("unknown cut");
        config.cut.min_bytes = size_in(cut, "min", 64, kMaxChunkBytes);
        config.cut.average_bytes = size_in(cut, "average", 64, kMaxChunkBytes);
        config.cut.max_bytes = size_in(cut, "max", 64, kMaxChunkBytes);
        if (!std::has_single_bit(config.cut.average_bytes) || config.cut.min_bytes > config.cut.average_bytes ||
            config.cut.average_bytes > config.cut.max_bytes) {
            damaged("impossible chunk sizes");
        }
        config.segment_bytes = size_in(object, "segment_bytes", 4096, kMaxChunkBytes);
        config.pack_bytes = size_in(object, "pack_bytes", 4096, 1U << 30);
        return config;
    } catch (const json::exception& error) {
        damaged(error.what());
    } catch (const Error& error) {
        if (error.code() == Code::usage) damaged("its id is no hexadecimal number");
        throw;
    }
}

RepositoryConfig load_config(BlobStore& blobs, const std::function<void(const std::string&)>& warn) {
    std::optional<RepositoryConfig> good;
    std::optional<Error> bad;
    size_t missing = 0;
    for (const char* name : {"config", "config.copy"}) {
        try {
            RepositoryConfig config = decode_config(blobs.get(name, kConfigLimitBytes));
            if (!good) good = config;
        } catch (const Error& error) {
            if (error.code() != Code::not_found && error.code() != Code::damaged) throw;
            missing += error.code() == Code::not_found ? 1 : 0;
            bad = error.within(name);
        }
    }
    if (missing == 2) {
        throw Error(Code::no_repository, "there is no repository here: no config",
                    "make one with `ingot init`, or check the path");
    }
    if (!good)
        throw Error(Code::damaged, bad->what(), "copy config from another copy of this repository; both copies are damaged");
    if (bad && warn) warn(fmt::format("{}; the other copy is used (`ingot check --repair` mends it)", bad->what()));
    return *good;
}

}  // namespace ingot
