#include "drivers/postgres_temporary.h"

#include <sys/wait.h>

#include "drivers/postgres_connection.h"
#include "postgres_server.h"

namespace ingot {
namespace {

constexpr const char* kId = "00112233445566aa";

class PgTemporaryTest : public testing::Test {
protected:
    void SetUp() override { INGOT_NEED_POSTGRES(); }
    std::string work() const { return folder_.folder("work"); }
    static std::unique_ptr<PgConnection> connect(const std::string& conninfo) {
        return std::make_unique<PgConnection>(PgAddress::parse(conninfo, "the test's", Code::failed), Code::failed);
    }
    TestFolder folder_;
};

TEST_F(PgTemporaryTest, IsStartedAskedAndRemoved) {
    const std::optional<int> major = PgTemporary::installed(1);
    ASSERT_TRUE(major);
    EXPECT_FALSE(PgTemporary::installed(99));
    std::string conninfo;
    {
        PgTemporary server(work(), kId);
        server.start(*major, "app");
        conninfo = server.conninfo();
        EXPECT_EQ(connect(conninfo)->server_version() / 10000, *major);
        EXPECT_EQ(connect(conninfo)->value("SHOW listen_addresses"), "");
        server.remove();
        server.remove();
        EXPECT_FALSE(server.running());
    }
    EXPECT_THROW(connect(conninfo), Error);
    real_filesystem().list(work(), [](const std::string& name) { ADD_FAILURE() << "left behind: " << name; });
}

TEST_F(PgTemporaryTest, DiesWithItsProcessAndIsRemovedByItsId) {
    const std::optional<int> major = PgTemporary::installed(1);
    ASSERT_TRUE(major);
    const std::string conninfo_path = folder_ / "conninfo";
    const pid_t child = ::fork();
    if (child == 0) {
        PgTemporary server(work(), kId);
        server.start(*major, "app");
        put(conninfo_path, server.conninfo());
        ::kill(::getpid(), SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
    const std::string conninfo = get(conninfo_path);
    ASSERT_FALSE(conninfo.empty());
    for (int i = 0; i < 1000; ++i) {
        try {
            connect(conninfo);
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        } catch (const Error&) {
            break;
        }
    }
    EXPECT_THROW(connect(conninfo), Error);
    PgTemporary(work(), kId).remove();
    real_filesystem().list(work(), [](const std::string& name) { ADD_FAILURE() << "left behind: " << name; });
    EXPECT_FALSE(real_filesystem().exists(std::string("/var/tmp/ingot-drill-") + kId));
}

TEST_F(PgTemporaryTest, AFolderThatIsThereAlreadyIsNotUsed) {
    for (const std::string& parent : {work(), std::string("/var/tmp")})
        real_filesystem().make_dir(parent + "/ingot-drill-" + kId, 0700);
    PgTemporary server(work(), kId);
    EXPECT_EQ(error_of([&] { server.start(PgTemporary::installed(1).value_or(0), "app"); }).code(), Code::failed);
    server.remove();
}

}  // namespace
}  // namespace ingot
