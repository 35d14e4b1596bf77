// Keyed fingerprints of secrets: which values of a .env file were others when a snapshot was taken, told without keeping a value.
//
// A fingerprint is a hash under a key of the repository (Repository::fingerprint) of the source's name, the place, the key and
// the value, cut to 128 bits. Equal values of two keys have different fingerprints. They lie in the sealed manifest; a repository
// without encryption keeps none, because a short password could be tried against them wherever they are shown.
//
// Thread safety: pure functions. Errors: none.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"
#include "store/repository.h"

namespace ingot {

// By place, by key: 32 hexadecimal digits.
using SecretFingerprints = std::map<std::string, std::map<std::string, std::string>>;

// Empty in a repository without encryption. Of a key that is given twice the last value counts, as dotenv libraries have it.
SecretFingerprints fingerprints_of(const Repository& repository, const std::string& source,
                                   const std::vector<LiveSecret>& secrets);

struct SecretChange {
    std::string place;
    std::string key;
    enum class What : uint8_t { changed, gone, added } what;  // since then
    bool secret = false;                                      // by its name
};

// In order of place and key.
std::vector<SecretChange> compare_fingerprints(const SecretFingerprints& then, const SecretFingerprints& now);

// "OPENAI_API_KEY", "DATABASE_URL", "JWT_SECRET": other data may be unreadable without the right value. Not "LOG_LEVEL".
bool names_secret(std::string_view key);

}  // namespace ingot
