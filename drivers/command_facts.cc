#include "drivers/command_facts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "drivers/command_run.h"

namespace ingot {
namespace {

// A fact is a number or a word that stands in every list of evidence, not a report.
constexpr size_t kMostFactBytes = 1024;

template <class T>
bool number_from(const std::string& text, T& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

InputFile::InputFile(const std::string& path, Code code) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) throw Error::from_errno("opening", path, errno, code);
}

InputFile::~InputFile() { ::close(fd_); }

Fact fact_from(const std::string& text) {
    int64_t whole = 0;
    double number = 0;
    if (number_from(text, whole)) return whole;
    if (number_from(text, number)) return number;
    return printable(text);
}

Facts command_facts(const CommandSettings& settings, const std::string& path, uint64_t bytes, Code code) {
    Facts out = {{"bytes", static_cast<int64_t>(bytes)}};
    for (const auto& [name, text] : settings.facts) {
        const std::string what = fmt::format("the command of the fact {}", name);
        const InputFile input(path, code);
        std::string value = run_on_file(settings, text, what, input.fd(), code).out;
        while (value.ends_with('\n') || value.ends_with('\r') || value.ends_with(' ')) value.pop_back();
        value.erase(0, value.find_first_not_of(" \t"));
        if (value.empty() || value.find('\n') != std::string::npos || value.size() > kMostFactBytes) {
            throw Error(code,
                        fmt::format("{} printed {} where one value on one line is wanted", what,
                                    value.empty() ? "nothing" : human_bytes(value.size())),
                        "it gets the output on its standard input; `grep -c ... || true` counts lines");
        }
        out[name] = fact_from(value);
    }
    return out;
}

}  // namespace ingot
