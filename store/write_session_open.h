// Opens a WriteSession on an open repository. Called by Repository::begin only; the caller holds LockMode::append or exclusive.
#pragma once

#include <memory>

#include "store/repository_core.h"
#include "store/write_session.h"

namespace ingot {

std::unique_ptr<WriteSession> open_write_session(RepositoryCore& core);

}  // namespace ingot
