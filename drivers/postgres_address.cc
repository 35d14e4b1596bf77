#include "drivers/postgres_address.h"

#include <fmt/format.h>
#include <libpq-fe.h>

namespace ingot {
namespace {

constexpr const char* kForm = "write it as \"postgresql://USER@HOST:PORT/DATABASE\"; docs/drivers/postgres.md has more";

// A value of a conninfo string: in quotes, quotes and backslashes escaped (libpq, "Keyword/Value Connection Strings").
std::string quoted_value(const std::string& value) {
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

struct FreeOptions {
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

}  // namespace

PgAddress PgAddress::parse(std::string_view text, const std::string& what, Code code) {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, FreeOptions> options(PQconninfoParse(std::string(text).c_str(), &message));
    // Libpq quotes the address, password and all: its message is not for us.
    if (message != nullptr) PQfreemem(message);
    if (options == nullptr) throw Error(code, what + " is no address of a PostgreSQL database", kForm);
    PgAddress out;
    for (const PQconninfoOption* each = options.get(); each->keyword != nullptr; ++each) {
        if (each->val == nullptr || *each->val == '\0') continue;
        const std::string key = each->keyword, value = each->val;
        if (key == "password") {
            out.set_password(value);
        } else if (key == "dbname") {
            out.database_ = value;
        } else if (each->dispchar != nullptr && *each->dispchar == '*') {
            throw Error(code, fmt::format("{} holds a secret that cannot be kept off command lines: {}", what, key),
                        "use a key file without a passphrase, or a service file (PGSERVICEFILE)");
        } else {
            out.values_[key] = value;
        }
    }
    if (out.database_.empty()) throw Error(code, what + " names no database", kForm);
    return out;
}

PgAddress PgAddress::with_database(const std::string& name) const {
    PgAddress out = *this;
    out.database_ = name;
    return out;
}

void PgAddress::set_password(std::string_view password) {
    password_ = password.empty() ? nullptr : std::make_shared<const Secret>(Secret::copy_of(password));
}

std::string PgAddress::password() const { return password_ == nullptr ? std::string() : std::string(password_->text()); }

std::string PgAddress::value(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? std::string() : found->second;
}

std::string PgAddress::conninfo() const {
    std::string out = "dbname=" + quoted_value(database_);
    for (const auto& [key, value] : values_) out += " " + key + "=" + quoted_value(value);
    return out;
}

std::string PgAddress::shown() const {
    std::string host = value("host").empty() ? value("hostaddr") : value("host");
    if (!value("port").empty()) host += ":" + value("port");
    return printable(database_) + (host.empty() ? "" : " on " + printable(host));
}

std::string PgAddress::masked(std::string message) const {
    if (password_ == nullptr) return message;
    const std::string_view secret = password_->text();
    for (size_t at = 0; (at = message.find(secret, at)) != std::string::npos; at += 3) message.replace(at, secret.size(), "***");
    return message;
}

bool PgAddress::local() const {
    const std::string host = value("hostaddr").empty() ? value("host") : value("hostaddr");
    return host.empty() || host.starts_with('/') || host.starts_with("127.") || host == "localhost" || host == "::1";
}

}  // namespace ingot
