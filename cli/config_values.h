// Taking typed values out of a config's tables: each function reports what is wrong with a value, and says whether it took it.
//
// Thread safety: none needed. Errors: throws nothing.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/config.h"

namespace ingot {

// One table while its keys are being taken. Keys that nobody took are unknown ones: finish() reports them.
class TableReader {
public:
    // `title` as in the file: "[stack]". `table` may be null: the table is not there.
    TableReader(std::vector<Mistake>& mistakes, const ConfigNode* table, std::string title);

    bool present() const { return table_ != nullptr; }
    int line() const { return table_ == nullptr ? 1 : table_->line; }
    // The line of a key, or of the table where the key is not there.
    int line_of(std::string_view key) const;

    bool has(std::string_view key) const { return table_ != nullptr && table_->find(key) != nullptr; }
    // Text without NUL bytes, and not empty unless it may be.
    std::optional<std::string> text(std::string_view key, bool may_be_empty = false);
    std::optional<std::vector<std::string>> text_list(std::string_view key);
    std::optional<std::map<std::string, std::string>> text_table(std::string_view key);
    std::optional<double> number(std::string_view key, double least, double most);
    std::optional<int64_t> duration_ms(std::string_view key);
    std::optional<bool> flag(std::string_view key);
    // A key that may be there and is not read here.
    void allow(std::string_view key) { known_.emplace_back(key); }

    // Reports that a key is missing.
    void missing(std::string_view key, std::string_view example);
    void mistake(int line, std::string message) { mistakes_.push_back({line, std::move(message), false}); }
    void finish();

private:
    const ConfigNode* take(std::string_view key, std::string_view wanted, ConfigNode::Kind kind);

    std::vector<Mistake>& mistakes_;
    const ConfigNode* table_;
    std::string title_;
    std::vector<std::string> known_;
};

}  // namespace ingot
