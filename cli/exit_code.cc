#include "cli/exit_code.h"

namespace ingot {

int exit_code(Code code) {
    switch (code) {
        case Code::failed:
        case Code::not_found:
        case Code::source:
            return kExitFailed;
        case Code::usage:
            return kExitUsage;
        case Code::no_repository:
            return kExitNoRepository;
        case Code::locked:
            return kExitLocked;
        case Code::wrong_key:
            return kExitWrongKey;
        case Code::damaged:
            return kExitDamaged;
        case Code::tampered:
            return kExitTampered;
        case Code::rolled_back:
            return kExitRolledBack;
        case Code::rollback_incomplete:
            return kExitRollbackIncomplete;
        case Code::incompatible:
            return kExitIncompatible;
        case Code::interrupted:
            return kExitInterrupted;
    }
    return kExitFailed;
}

std::string_view code_name(Code code) {
    switch (code) {
        case Code::failed:
            return "failed";
        case Code::usage:
            return "usage";
        case Code::not_found:
            return "not_found";
        case Code::source:
            return "source";
        case Code::no_repository:
            return "no_repository";
        case Code::locked:
            return "locked";
        case Code::wrong_key:
            return "wrong_key";
        case Code::damaged:
            return "damaged";
        case Code::tampered:
            return "tampered";
        case Code::rolled_back:
            return "rolled_back";
        case Code::rollback_incomplete:
            return "rollback_incomplete";
        case Code::incompatible:
            return "incompatible";
        case Code::interrupted:
            return "interrupted";
    }
    return "failed";
}

int exit_code(const std::vector<Finding>& findings) {
    int code = kExitDone;
    for (const Finding& finding : findings) {
        if (finding.weight == Finding::Weight::tampering) return kExitTampered;
        if (finding.weight == Finding::Weight::damage) code = kExitDamaged;
    }
    return code;
}

}  // namespace ingot
