#include "base/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

#include "base/error.h"

namespace ingot {
namespace {

TEST(Interrupt, ASignalBecomesAnErrorAtTheNextSafePlace) {
    catch_interrupts();
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        set_interrupted(false);
        EXPECT_NO_THROW(check_interrupted());
        std::raise(signal);
        EXPECT_TRUE(interrupted());
        try {
            check_interrupted();
            ADD_FAILURE() << "nothing was thrown";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::interrupted);
        }
    }
    set_interrupted(false);
}

TEST(Interrupt, AClosedPipeDoesNotKill) {
    catch_interrupts();
    EXPECT_EQ(std::raise(SIGPIPE), 0);
}

}  // namespace
}  // namespace ingot
