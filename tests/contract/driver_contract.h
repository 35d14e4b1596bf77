// The contract of drivers (drivers/driver.h, D1 to D5), checked on each one by driver_contract_test.cc.
//
// A driver joins with a SourceFixture of its own: a small live source that the suite can make, change, lose and compare.
// Comparing is by content(): text that two trees share exactly when they hold the same for the source's user, so that a database
// put back by its engine counts as equal though its bytes are not.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "drivers/driver.h"

namespace ingot {

class SourceFixture {
public:
    virtual ~SourceFixture() = default;

    // False: its server is not installed on this host, and nothing else is called.
    virtual bool available() const { return true; }
    // As drivers/registry.h knows it.
    virtual std::string driver() const = 0;
    // Makes the source below `root`, an empty folder that will be the stack's root. Called once.
    virtual void create(const std::string& root) = 0;
    // What the config says of it: paths, exclude, facts. Name, root and spool_dir are set by the suite.
    virtual void describe(SourceSpec& spec) const = 0;
    // Changes everything it holds, as its application would, `round` after round. Throws nothing; false where it could not write.
    virtual bool mutate(int round) = 0;
    // Takes the source away, so that preparing it fails.
    virtual void lose() = 0;
    // What the live source, or the artifact materialised below a folder, holds.
    virtual std::string content() = 0;
    virtual std::string artifact_content(const std::string& folder) = 0;
    // A listing path that the source leaves alone; empty where it takes no patterns.
    virtual std::string excluded_path() const { return {}; }
    // Spoils an artifact so that open_artifact() must say damaged.
    virtual void spoil(const std::string& folder) = 0;
    // What drills made in the live server, and did not remove; empty: nothing.
    virtual std::string left_by_drills() { return {}; }
    // May a pin leave such a file beside the source (an index that its engine makes anew)?
    virtual bool may_appear(const std::string& name) const {
        (void)name;
        return false;
    }
};

using FixtureFactory = std::unique_ptr<SourceFixture> (*)();

}  // namespace ingot
