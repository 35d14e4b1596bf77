// The live file system with some of its paths taken from elsewhere: what a restored tree will look like in its place.
//
// Paths are live ones throughout; place() says where the bytes of one lie now. Links are followed as they will be once the parts
// are in their places: a link of a part that leads to "/etc/nginx/x" leads into the part, and not to the live file.
//
// Thread safety: const calls from any thread. Errors: none thrown; what cannot be looked at is not there.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

namespace ingot {

class OverlaidTree {
public:
    struct Part {
        std::string live;  // its folder without links, after construction
        std::string from;  // a file, folder or link that stands there instead
    };

    // The live file system as it is.
    OverlaidTree() = default;
    explicit OverlaidTree(std::vector<Part> parts);

    const std::vector<Part>& parts() const { return parts_; }
    const Part* part_of(const std::string& live) const;
    std::string place(const std::string& live) const;

    // lstat.
    std::optional<struct stat> look(const std::string& live) const;
    // The path with every link in it followed; nothing where it leads nowhere, or round in a circle.
    std::optional<std::string> resolve(const std::string& live) const;
    // The names in a folder, sorted as bytes.
    std::vector<std::string> names(const std::string& live_folder) const;

private:
    std::vector<Part> parts_;
};

// The path with the links of its folder followed, as far as that exists; its last name stays as it is.
std::string with_real_folder(const std::string& live);

}  // namespace ingot
