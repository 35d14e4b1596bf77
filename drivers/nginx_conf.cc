#include "drivers/nginx_conf.h"

#include <algorithm>
#include <array>

namespace ingot {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class NginxReader {
public:
    explicit NginxReader(std::string_view text) : text_(text) {}

    std::vector<NginxDirective> read() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (is_space(c)) {
                ++at_;
            } else if (c == '#') {
                at_ = std::min(text_.find('\n', at_), text_.size());
            } else if (c == ';' || c == '{') {
                ++at_;
                const bool lua = c == '{' && !words_.empty() && words_.front().ends_with("_by_lua_block");
                end_directive();
                if (lua) skip_lua();
                if (c == '{' && !lua) ++depth_;
            } else if (c == '}') {
                ++at_;
                words_.clear();  // a directive without its ';'
                depth_ = std::max(0, depth_ - 1);
            } else {
                words_.push_back(c == '"' || c == '\'' ? quoted(c) : bare());
            }
        }
        return std::move(out_);
    }

private:
    void end_directive() {
        if (words_.empty()) return;
        NginxDirective directive;
        directive.name = std::move(words_.front());
        directive.arguments.assign(std::make_move_iterator(words_.begin() + 1), std::make_move_iterator(words_.end()));
        directive.depth = depth_;
        out_.push_back(std::move(directive));
        words_.clear();
    }

    void escaped(std::string& word) {
        if (++at_ == text_.size()) return;
        const char c = text_[at_++];
        switch (c) {
            case '"':
            case '\'':
            case '\\':
                word += c;
                break;
            case 't':
                word += '\t';
                break;
            case 'r':
                word += '\r';
                break;
            case 'n':
                word += '\n';
                break;
            default:  // for a regular expression: the backslash stays
                word += '\\';
                word += c;
        }
    }

    std::string quoted(char quote) {
        std::string word;
        for (++at_; at_ < text_.size() && text_[at_] != quote;) {
            if (text_[at_] == '\\') {
                escaped(word);
            } else {
                word += text_[at_++];
            }
        }
        at_ = std::min(at_ + 1, text_.size());
        return word;
    }

    std::string bare() {
        std::string word;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            const bool variable = c == '{' && word.ends_with('$');
            if (is_space(c) || c == ';' || (c == '{' && !variable)) break;
            if (c == '\\') {
                escaped(word);
            } else {
                word += c;
                ++at_;
            }
        }
        return word;
    }

    // To the brace that closes the block. Braces in Lua's quoted strings and line comments do not count.
    void skip_lua() {
        for (int open = 1; at_ < text_.size() && open > 0; ++at_) {
            const char c = text_[at_];
            if (c == '{') ++open;
            if (c == '}') --open;
            if (c == '"' || c == '\'') skip_lua_string(c);
            if (text_.substr(at_).starts_with("--")) at_ = std::min(text_.find('\n', at_), text_.size() - 1);
        }
    }

    void skip_lua_string(char quote) {
        for (size_t i = at_ + 1; i < text_.size() && text_[i] != '\n'; ++i) {
            if (text_[i] == '\\') ++i;
            if (i < text_.size() && text_[i] == quote) {
                at_ = i;
                return;
            }
        }
    }

    std::string_view text_;
    size_t at_ = 0;
    int depth_ = 0;
    std::vector<std::string> words_;
    std::vector<NginxDirective> out_;
};

}  // namespace

std::vector<NginxDirective> parse_nginx(std::string_view text) { return NginxReader(text).read(); }

bool is_literal_path(std::string_view argument) {
    constexpr std::array<std::string_view, 3> kElsewhere = {"data:", "engine:", "store:"};
    if (argument.empty() || argument.find('$') != std::string_view::npos || argument.find('\0') != std::string_view::npos)
        return false;
    return std::none_of(kElsewhere.begin(), kElsewhere.end(), [&](std::string_view each) { return argument.starts_with(each); });
}

}  // namespace ingot
