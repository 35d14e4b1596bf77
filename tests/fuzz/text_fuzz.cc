// Small texts from people and their files: .env files, nginx configs, glob patterns, points in time, durations.
#include "base/clock.h"
#include "drivers/env_parse.h"
#include "drivers/glob.h"
#include "drivers/nginx_conf.h"
#include "tests/fuzz/fuzz.h"

namespace ingot::fuzz {

std::vector<Bytes> seeds() {
    std::vector<Bytes> out;
    for (const std::string_view text :
         {"\0A=1\nexport B='x\ny'\nC=\"q\\n\\\"\" # c\n# d\n", "\1**/[!a-z]*.log", "\2yesterday", "\0022026-11-19 08:00",
          "\0022h ago", "\0032min",
          "\4http { server { listen 80; ssl_certificate \"/etc/a b.pem\"; # c\n location ~ x$ { return 200 '}'; } } }"}) {
        Bytes bytes(text.begin(), text.end());
        if (bytes.empty()) bytes = {0, 'A', '=', '1', '\n', 'B', '=', '"', 'x', '\\', 'n', '"', '\n'};
        out.push_back(bytes);
    }
    return out;
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot;
    using namespace ingot::fuzz;
    Input input(data, size);
    const uint8_t which = input.u8();
    const std::string_view text = text_of(input.rest());
    decode_or_error([&] {
        if (which % 5 == 0) (void)parse_env(input.rest());
        if (which % 5 == 1) {
            // A pattern and a path, parted by the first newline.
            const size_t end = std::min(text.find('\n'), text.size());
            if (end > 200 || text.size() - end > 400)
                return;  // patterns and paths are people's, and their cost is bounded by words
            const Glob glob(text.substr(0, end));
            (void)glob.matches(text.substr(end == text.size() ? end : end + 1));
        }
        if (which % 5 == 2) (void)parse_when(text, 1'795'000'000'000);
        if (which % 5 == 3) (void)parse_duration_ms(text);
        if (which % 5 == 4) {
            for (const NginxDirective& directive : parse_nginx(text)) {
                for (const std::string& argument : directive.arguments) (void)is_literal_path(argument);
            }
        }
    });
    return 0;
}
