// What the checks of Java's clients share.
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

class Harness {
    static final int SECONDS = 30;

    interface Body {
        void run() throws Exception;
    }

    // Compares as text.
    static void equal(Object got, Object wanted) {
        if (!String.valueOf(got).equals(String.valueOf(wanted)))
            throw new AssertionError("got " + got + ", wanted " + wanted);
    }

    static <T> T next(BlockingQueue<T> from) throws Exception {
        T next = from.poll(SECONDS, TimeUnit.SECONDS);
        if (next == null)
            throw new AssertionError("nothing came in time");
        return next;
    }

    // Tells how each went, and ends the process.
    static void runAll(String client, Map<String, Body> checks) {
        int passed = 0, failed = 0;
        for (Map.Entry<String, Body> check : checks.entrySet()) {
            try {
                check.getValue().run();
                passed++;
                System.out.println("  ok " + client + ": " + check.getKey());
            } catch (Throwable e) {
                failed++;
                System.out.println("  FAILED " + client + ": " + check.getKey() + "\n    " + e);
            }
        }
        System.out.println(passed + " passed, " + failed + " failed, 0 skipped");
        System.exit(failed == 0 ? 0 : 1);
    }
}
