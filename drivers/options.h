// The options of a source (SourceSpec::options) as values, and the secrets that they name.
//
// Secrets are looked up each time they are needed, not when a config is read: `ingot config validate` needs none. They come from
// an environment variable, else a systemd credential of that name, or from a file; no error quotes one.
// Thread safety: values; an Options is borrowed by nobody and must not outlive its spec. Errors: Error{usage} unless said
// otherwise.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "drivers/driver.h"

namespace ingot {

class Options {
public:
    explicit Options(const SourceSpec& spec) : spec_(spec) {}

    bool has(const std::string& key) const { return spec_.options.contains(key); }
    std::string text(const std::string& key, std::string_view otherwise = {}) const;
    // More than nothing, and at most INT32_MAX: libraries count milliseconds in 32 bits.
    int64_t duration_ms(const std::string& key, std::string_view otherwise) const;
    bool flag(const std::string& key, bool otherwise = false) const;
    // One of `words`; the first where the key is not given.
    std::string choice(const std::string& key, std::initializer_list<std::string_view> words) const;
    // A text_list; empty where the key is not given.
    std::vector<std::string> list(const std::string& key) const;
    // A path, absolute, relative ones from the stack's root; empty where the key is not given.
    std::string path(const std::string& key) const;
    // Throws where both are given, or, with `one`, neither is.
    void exclusive(const std::string& first, const std::string& second, bool one, const std::string& hint) const;

    // "`KEY` of source NAME PROBLEM"
    Error wrong(const std::string& key, std::string_view problem, std::string hint) const;

private:
    const SourceSpec& spec_;
};

// Where systemd put the credential of that name (LoadCredential=); empty where there is none.
std::string credential_path(const std::string& name);
// The first line of the environment variable `name`, else of the systemd credential of that name. `what` says in errors what it
// is for: "`api_key_env` of source search". Throws Error{code} where neither is there.
Secret secret_from_env(const std::string& name, const std::string& what, Code code);
// The first line of a file. Throws Error{code} where it cannot be read, or where every user of this machine can read it.
Secret secret_from_file(const std::string& path, const std::string& what, Code code);

}  // namespace ingot
