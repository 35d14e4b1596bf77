// The config file of a stack (cli/config.h), and the config of a repository (store/config_file.h).
#include "cli/config.h"
#include "store/config_file.h"
#include "store/hash.h"
#include "tests/fuzz/fuzz.h"

namespace ingot::fuzz {
namespace {

constexpr std::string_view kSample = R"([repository]
path = "/var/lib/ingot/repo"
key_file = "/etc/ingot/key"
[stack]
name = "raggen"
root = "/opt/raggen"
[barrier]
pause = "true"
resume = "true"
max_pause = "10s"
[sources.db]
driver = "sqlite"
path = "app.db"
facts = { chunks = "SELECT count(*) FROM chunks" }
min_ratio = 0.5
[sources.models]
driver = "files"
paths = ["models", "logs"]
exclude = ["*.tmp"]
growing = ["logs/*.log"]
[[invariants]]
name = "n"
left = "db.chunks"
right = "db.chunks"
[state]
dir = "/var/lib/ingot"
)";

void stack_config(std::string_view document) {
    const ConfigReading reading = read_config_text(document, "ingot.toml", false);
    (void)reading.lines();
    if (!reading.wrong()) (void)make_stack(reading.config, "/var/lib/ingot");
}

// With the checksum made right, as who can write the file could.
void repository_config(std::string_view line) {
    std::string text(line.substr(0, line.find('\n')));
    text += "\nsha256 " + sha256(view_of(text)).hex() + "\n";
    RepositoryConfig config = decode_config(view_of(text));
    RepositoryConfig again = decode_config(encode_config(config));
    require(again.id == config.id && again.cut.average_bytes == config.cut.average_bytes && again.sealed == config.sealed,
            "a repository's config does not come back the same");
}

}  // namespace

std::vector<Bytes> seeds() {
    RepositoryConfig config;
    config.created = "2026-11-21T08:15:30.123Z";
    return {tagged(0, view_of(kSample)), tagged(1, encode_config(config))};
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot::fuzz;
    Input input(data, size);
    const bool repository = (input.u8() & 1) != 0;
    const std::string_view text = ingot::text_of(input.rest());
    decode_or_error([&] { repository ? repository_config(text) : stack_config(text); });
    return 0;
}
