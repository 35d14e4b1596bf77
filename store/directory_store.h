// A BlobStore in a folder, through a FileSystem.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "store/blob_store.h"

namespace ingot {

class DirectoryStore : public BlobStore {
public:
    // `fs` must outlive the store.
    DirectoryStore(FileSystem& fs, std::string folder);

    std::unique_ptr<BlobWriter> begin() override;
    bool put_new(const std::string& name, ByteView bytes) override;
    std::unique_ptr<ReadFile> open(const std::string& name) override;
    Bytes get(const std::string& name, uint64_t limit_bytes) override;
    std::optional<uint64_t> size_of(const std::string& name) override;
    void list(const std::string& prefix, const std::function<void(const std::string&, uint64_t)>& each) override;
    void remove(const std::string& name) override;
    void clean_temporaries() override;

private:
    std::string path_of(const std::string& name) const;
    void require_file(const std::string& name) const;
    void list_below(const std::string& prefix, int depth, const std::function<void(const std::string&, uint64_t)>& each);

    FileSystem& fs_;
    std::string folder_;
    std::atomic<uint64_t> temporaries_{0};
};

}  // namespace ingot
