#include "drivers/env_parse.h"

#include <string_view>

namespace ingot {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool is_key_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

class EnvParser {
public:
    explicit EnvParser(std::string_view text) : text_(text) {
        if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // a byte order mark
    }

    std::vector<std::pair<std::string, std::string>> parse() {
        while (at_ < text_.size()) {
            skip_blanks();
            std::string key = read_key();
            if (!key.empty()) out_.emplace_back(std::move(key), read_value());
            skip_line();
        }
        return std::move(out_);
    }

private:
    char here() const { return at_ < text_.size() ? text_[at_] : '\n'; }
    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    }
    void skip_line() {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
        ++at_;
    }

    // Empty where the line does not begin with KEY=.
    std::string read_key() {
        std::string key = read_name();
        if (key == "export" && is_blank(here())) {
            skip_blanks();
            key = read_name();
        }
        skip_blanks();
        if (here() != '=') return {};
        ++at_;
        skip_blanks();
        return key;
    }

    std::string read_name() {
        const size_t from = at_;
        while (at_ < text_.size() && is_key_byte(text_[at_])) ++at_;
        return std::string(text_.substr(from, at_ - from));
    }

    std::string read_value() {
        const char quote = here();
        if (quote == '"' || quote == '\'') {
            const size_t close = closing_quote(quote);
            if (close != std::string_view::npos) {
                const std::string_view inner = text_.substr(at_ + 1, close - at_ - 1);
                at_ = close + 1;
                return quote == '"' ? unescaped(inner) : std::string(inner);
            }
        }
        const size_t end = std::min(text_.find('\n', at_), text_.size());
        std::string_view line = text_.substr(at_, end - at_);
        for (size_t i = 0; i < line.size(); ++i) {
            if (line[i] == '#' && (i == 0 || is_blank(line[i - 1]))) {
                line = line.substr(0, i);
                break;
            }
        }
        return std::string(trimmed(line));
    }

    size_t closing_quote(char quote) {
        for (size_t i = at_ + 1; i < text_.size(); ++i) {
            if (quote == '"' && text_[i] == '\\') {
                ++i;
            } else if (text_[i] == quote) {
                return i;
            }
        }
        return std::string_view::npos;
    }

    static std::string unescaped(std::string_view inner) {
        std::string out;
        for (size_t i = 0; i < inner.size(); ++i) {
            if (inner[i] != '\\' || i + 1 == inner.size()) {
                out += inner[i];
                continue;
            }
            const char next = inner[++i];
            switch (next) {
                case 'n':
                    out += '\n';
                    break;
                case 'r':
                    out += '\r';
                    break;
                case 't':
                    out += '\t';
                    break;
                case '\\':
                case '"':
                case '$':
                    out += next;
                    break;
                default:
                    out += '\\';
                    out += next;
            }
        }
        return out;
    }

    std::string_view text_;
    size_t at_ = 0;
    std::vector<std::pair<std::string, std::string>> out_;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_env(ByteView bytes) { return EnvParser(text_of(bytes)).parse(); }

}  // namespace ingot
