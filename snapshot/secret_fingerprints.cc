#include "snapshot/secret_fingerprints.h"

#include <algorithm>
#include <array>

namespace ingot {
namespace {

// 128 bits of HMAC-SHA-256: two values of one key are told apart, and the manifest stays small.
constexpr size_t kDigits = 32;

// Parts of names, between '_', '-' and '.'; a url of an engine carries its password.
constexpr std::array<std::string_view, 26> kSecretParts = {
    "KEY", "KEYS",       "SECRET", "SECRETS", "TOKEN",      "TOKENS",      "PASSWORD",   "PASSWD",  "PASS",
    "PWD", "PASSPHRASE", "SALT",   "PEPPER",  "CREDENTIAL", "CREDENTIALS", "DSN",        "PRIVATE", "APIKEY",
    "JWT", "HMAC",       "CERT",   "IV",      "URL",        "URI",         "ENCRYPTION", "SIGNING"};

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return out;
}

}  // namespace

SecretFingerprints fingerprints_of(const Repository& repository, const std::string& source,
                                   const std::vector<LiveSecret>& secrets) {
    SecretFingerprints out;
    constexpr std::array<uint8_t, 1> kEnd = {0};  // names and keys have no NUL
    for (const LiveSecret& secret : secrets) {
        const auto print = repository.fingerprint(
            {view_of(source), kEnd, view_of(secret.place), kEnd, view_of(secret.key), kEnd, secret.value.view()});
        if (!print) return {};
        out[secret.place][secret.key] = print->hex().substr(0, kDigits);
    }
    return out;
}

std::vector<SecretChange> compare_fingerprints(const SecretFingerprints& then, const SecretFingerprints& now) {
    std::vector<SecretChange> out;
    const auto value = [](const SecretFingerprints& all, const std::string& place, const std::string& key) {
        const auto file = all.find(place);
        if (file == all.end()) return std::string();
        const auto found = file->second.find(key);
        return found == file->second.end() ? std::string() : found->second;
    };
    std::map<std::string, std::map<std::string, bool>> names;
    for (const SecretFingerprints* all : {&then, &now}) {
        for (const auto& [place, keys] : *all) {
            for (const auto& [key, print] : keys) names[place][key] = true;
        }
    }
    for (const auto& [place, keys] : names) {
        for (const auto& [key, there] : keys) {
            const std::string before = value(then, place, key), after = value(now, place, key);
            if (before == after) continue;
            const auto what = after.empty()    ? SecretChange::What::gone
                              : before.empty() ? SecretChange::What::added
                                               : SecretChange::What::changed;
            out.push_back({place, key, what, names_secret(key)});
        }
    }
    return out;
}

bool names_secret(std::string_view key) {
    const std::string text = upper(key);
    for (size_t at = 0; at <= text.size();) {
        const size_t end = std::min(text.find_first_of("_-.", at), text.size());
        const std::string_view part = std::string_view(text).substr(at, end - at);
        if (std::find(kSecretParts.begin(), kSecretParts.end(), part) != kSecretParts.end()) return true;
        at = end + 1;
    }
    return false;
}

}  // namespace ingot
