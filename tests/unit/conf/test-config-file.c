/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pwd.h>

#include "conf/config-file.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "tree.h"

static ConfigFiles *read_files(Tree *tree) {
        static const char *const dropins[] = { "x.conf.d", "peer@1.conf.d", NULL };
        ConfigFiles *files = NULL;

        assert_int_equal(config_files_read(&files, &tree->paths, "x.conf", dropins, &tree->diagnostics), 0);
        return files;
}

/* The texts of all files that are read, one after the other, are @expected. */
static void assert_read(Tree *tree, const char *expected) {
        _cleanup_(config_files_freep) ConfigFiles *files = read_files(tree);
        char all[256] = "";

        for (size_t i = 0; i < files->n_items; i++) {
                assert_int_equal(strlen(files->items[i].text), files->items[i].size);
                assert_true(strlen(all) + files->items[i].size < sizeof(all));
                strcat(all, files->items[i].text);
        }
        assert_string_equal(all, expected);
}

static void assert_refused(Tree *tree, const char *name, const char *sentence) {
        _cleanup_(config_files_freep) ConfigFiles *files = read_files(tree);
        char expected[2 * PATH_MAX];

        assert_int_equal(files->n_refused, 1);
        (void) snprintf(expected, sizeof(expected), "%s: %s", tree_path(tree, name), sentence);
        assert_said_only(&tree->diagnostics, expected);
}

static void test_nothing_there_is_fine(void **state) {
        Tree *tree = *state;

        assert_read(tree, "");
        (void) tree_path(tree, "etc/x.conf.d/none");
        assert_read(tree, "");
        tree->paths = (ConfigPaths) {};
        assert_read(tree, "");
        assert_int_equal(tree->diagnostics.n_items, 0);
}

static void test_directory_that_is_given_has_to_be_there(void **state) {
        Tree *tree = *state;

        tree_write(tree, "run/x.conf", "run ");
        tree->paths.etc_given = true;
        assert_refused(tree, "etc", "cannot be used as the directory of the configuration: No such file or directory.");

        tree_write(tree, "etc", "a file");
        assert_refused(tree, "etc", "is given as the directory of the configuration, and is no directory.");
        assert_int_equal(unlink(tree->etc), 0);

        (void) tree_path(tree, "etc/x.conf");
        assert_read(tree, "run ");
        assert_int_equal(tree->diagnostics.n_items, 0);
}

static void test_main_file_comes_from_the_highest_place(void **state) {
        Tree *tree = *state;

        tree_write(tree, "vendor/x.conf", "vendor ");
        assert_read(tree, "vendor ");
        tree_write(tree, "run/x.conf", "run ");
        assert_read(tree, "run ");
        tree_write(tree, "etc/x.conf", "etc ");
        assert_read(tree, "etc ");
        assert_int_equal(tree->diagnostics.n_items, 0);
}

static void test_own_files_of_a_user_come_before_all(void **state) {
        Tree *tree = *state;
        char own[PATH_MAX];

        (void) snprintf(own, sizeof(own), "%.1000s/own", tree->root);
        tree->paths.own = own;
        tree_write(tree, "etc/x.conf", "etc ");
        tree_write(tree, "etc/x.conf.d/20.conf", "etc20 ");
        tree_write(tree, "run/x.conf.d/10.conf", "run10 ");
        assert_read(tree, "etc run10 etc20 ");
        tree_write(tree, "own/x.conf", "own ");
        tree_write(tree, "own/x.conf.d/20.conf", "own20 ");
        assert_read(tree, "own run10 own20 ");
}

static void test_own_files_are_those_of_the_home_of_an_ordinary_user(void **state) {
        uid_t self = geteuid();

        assert_int_equal(setenv("HOME", "/home/alice", 1), 0);
        assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
        assert_int_equal(unsetenv("P2PNET_BUS"), 0);
        if (self == 0) {
                assert_null(config_own_directory());
                assert_int_equal(seteuid(65534), 0);
        }

        for (unsigned i = 0; i < 5; i++) {
                static const char *const expected[] = { "/home/alice/.config/p2pnet", NULL, "/config/p2pnet", NULL, NULL };
                _cleanup_free_ char *own = NULL;

                if (i == 1)             /* a service of the system */
                        assert_int_equal(setenv("P2PNET_BUS", "system", 1), 0);
                else if (i == 2)
                        assert_int_equal(setenv("P2PNET_BUS", "user", 1) + setenv("XDG_CONFIG_HOME", "/config", 1), 0);
                else if (i == 3)
                        assert_int_equal(setenv("XDG_CONFIG_HOME", "config", 1) + setenv("HOME", "/", 1), 0);
                else if (i == 4)
                        assert_int_equal(unsetenv("HOME"), 0);
                own = config_own_directory();
                if (expected[i])
                        assert_string_equal(own, expected[i]);
                else
                        assert_null(own);
        }
        if (self == 0)
                assert_int_equal(seteuid(0), 0);
}

static void test_dropins_are_read_by_name_over_all_places(void **state) {
        Tree *tree = *state;

        tree_write(tree, "etc/x.conf", "main ");
        tree_write(tree, "vendor/x.conf.d/10-a.conf", "10v ");
        tree_write(tree, "etc/x.conf.d/20-b.conf", "20e ");
        tree_write(tree, "run/x.conf.d/15-c.conf", "15r ");
        tree_write(tree, "vendor/x.conf.d/20-b.conf", "20v ");
        tree_write(tree, "vendor/x.conf.d/9.conf", "9v ");
        tree_write(tree, "run/x.conf.d/10-a.conf", "10r ");
        assert_read(tree, "main 10r 15r 20e 9v ");
        assert_int_equal(tree->diagnostics.n_items, 0);
}

static void test_instance_comes_after_what_is_for_all(void **state) {
        Tree *tree = *state;

        tree_write(tree, "vendor/peer@1.conf.d/00.conf", "instance ");
        tree_write(tree, "etc/x.conf.d/99.conf", "all ");
        tree_write(tree, "etc/peer@2.conf.d/99.conf", "another ");
        assert_read(tree, "all instance ");
}

static void test_empty_file_and_link_to_dev_null_mask(void **state) {
        Tree *tree = *state;

        tree_write(tree, "vendor/x.conf", "vendor ");
        tree_write(tree, "vendor/x.conf.d/a.conf", "a ");
        tree_write(tree, "run/x.conf.d/b.conf", "b ");
        tree_write(tree, "vendor/x.conf.d/c.conf", "c ");
        tree_write(tree, "etc/x.conf", "");
        assert_int_equal(symlink("/dev/null", tree_path(tree, "etc/x.conf.d/a.conf")), 0);
        tree_write(tree, "etc/x.conf.d/b.conf", "");
        assert_int_equal(symlink("/dev/null", tree_path(tree, "run/x.conf.d/c.conf")), 0);
        assert_read(tree, "");
        assert_int_equal(tree->diagnostics.n_items, 0);
}

static void test_link_to_a_file_is_followed(void **state) {
        Tree *tree = *state;

        tree_write(tree, "elsewhere/file", "linked ");
        (void) tree_path(tree, "etc/x.conf.d/");
        assert_int_equal(symlink("../../elsewhere/file", tree_path(tree, "etc/x.conf.d/a.conf")), 0);
        assert_read(tree, "linked ");
        assert_int_equal(tree->diagnostics.n_items, 0);
}

static void test_other_names_are_not_dropins(void **state) {
        Tree *tree = *state;

        tree_write(tree, "etc/x.conf.d/.hidden.conf", "no");
        tree_write(tree, "etc/x.conf.d/.conf", "no");
        tree_write(tree, "etc/x.conf.d/a.conf~", "no");
        tree_write(tree, "etc/x.conf.d/a.conf.dpkg-new", "no");
        tree_write(tree, "etc/x.conf.d/README", "no");
        tree_write(tree, "etc/x.conf.d/conf", "no");
        tree_write(tree, "etc/x.conf.d/yes.conf", "yes");
        assert_read(tree, "yes");
        assert_int_equal(tree->diagnostics.n_items, 0);
}

static void test_what_is_no_file_gets_a_sentence_and_hangs_nothing(void **state) {
        Tree *tree = *state;
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd;

        (void) tree_path(tree, "etc/x.conf.d/a.conf/");
        assert_refused(tree, "etc/x.conf.d/a.conf", "is a directory, expected a regular file.");
        assert_int_equal(rmdir(tree_path(tree, "etc/x.conf.d/a.conf")), 0);

        assert_int_equal(mkfifo(tree_path(tree, "etc/x.conf.d/a.conf"), 0644), 0);
        assert_refused(tree, "etc/x.conf.d/a.conf", "is a FIFO, expected a regular file.");
        assert_int_equal(unlink(tree_path(tree, "etc/x.conf.d/a.conf")), 0);

        assert_int_equal(symlink("/dev/zero", tree_path(tree, "etc/x.conf.d/a.conf")), 0);
        assert_refused(tree, "etc/x.conf.d/a.conf", "is a device, expected a regular file.");
        assert_int_equal(unlink(tree_path(tree, "etc/x.conf.d/a.conf")), 0);

        (void) snprintf(name.sun_path, sizeof(name.sun_path), "%.100s", tree_path(tree, "etc/x.conf.d/a.conf"));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (const struct sockaddr *) &name, sizeof(name)), 0);
        assert_refused(tree, "etc/x.conf.d/a.conf", "is a socket, expected a regular file.");
        assert_int_equal(close(fd), 0);
        assert_int_equal(unlink(tree_path(tree, "etc/x.conf.d/a.conf")), 0);

        assert_int_equal(symlink("nowhere", tree_path(tree, "etc/x.conf.d/a.conf")), 0);
        assert_refused(tree, "etc/x.conf.d/a.conf", "is a link to a file that does not exist.");
        assert_int_equal(unlink(tree_path(tree, "etc/x.conf.d/a.conf")), 0);

        assert_int_equal(symlink("a.conf", tree_path(tree, "etc/x.conf.d/a.conf")), 0);
        assert_refused(tree, "etc/x.conf.d/a.conf", "cannot be looked at: Too many levels of symbolic links.");
        assert_int_equal(unlink(tree_path(tree, "etc/x.conf.d/a.conf")), 0);

        tree_write(tree, "etc/y", "x");
        assert_int_equal(rename(tree_path(tree, "etc/x.conf.d"), tree_path(tree, "etc/z")), 0);
        assert_int_equal(rename(tree_path(tree, "etc/y"), tree_path(tree, "etc/x.conf.d")), 0);
        assert_refused(tree, "etc/x.conf.d", "is not a directory.");
}

/* As somebody whom permissions bind: root may read everything. */
static void assert_denied(Tree *tree, const char *name) {
        const struct passwd *user;
        _cleanup_(config_files_freep) ConfigFiles *files = NULL;
        char sentence[2 * PATH_MAX];

        assert_int_equal(chmod(tree->root, 0755), 0);
        if (geteuid() == 0)
                assert_int_equal(seteuid(65534), 0);
        user = getpwuid(geteuid());
        (void) snprintf(sentence, sizeof(sentence),
                        "%s: may not be read by user %s; grant that, for example by \"chmod -R a+rX\".",
                        tree_path(tree, name), user ? user->pw_name : "of this process");
        files = read_files(tree);
        assert_int_equal(seteuid(getuid()), 0);
        assert_true(files->n_refused > 0);
        assert_said_only(&tree->diagnostics, sentence);
}

static void test_file_without_permission_gets_a_sentence(void **state) {
        Tree *tree = *state;

        tree_write(tree, "etc/x.conf", "secret");
        assert_int_equal(chmod(tree_path(tree, "etc/x.conf"), 0), 0);
        assert_denied(tree, "etc/x.conf");
}

static void test_directory_without_permission_gets_one_sentence(void **state) {
        Tree *tree = *state;

        tree_write(tree, "etc/x.conf", "secret");
        tree_write(tree, "etc/x.conf.d/a.conf", "secret");
        assert_int_equal(chmod(tree->etc, 0), 0);
        assert_denied(tree, "etc");
        assert_int_equal(chmod(tree->etc, 0755), 0);
}

static void test_bad_file_does_not_hide_the_others(void **state) {
        Tree *tree = *state;

        tree_write(tree, "etc/x.conf.d/a.conf", "a ");
        (void) tree_path(tree, "etc/x.conf.d/b.conf/");
        tree_write(tree, "etc/x.conf.d/c.conf", "c ");
        assert_read(tree, "a c ");
        assert_int_equal(tree->diagnostics.n_errors, 1);
}

static void test_size_of_a_file_is_bounded(void **state) {
        Tree *tree = *state;
        _cleanup_free_ char *text = malloc(CONFIG_FILE_SIZE_MAX + 1);
        ConfigFiles *files;

        assert_non_null(text);
        memset(text, '\n', CONFIG_FILE_SIZE_MAX + 1);

        tree_write_bytes(tree, "etc/x.conf", text, CONFIG_FILE_SIZE_MAX);
        files = read_files(tree);
        assert_int_equal(files->n_items, 1);
        assert_int_equal(files->items[0].size, CONFIG_FILE_SIZE_MAX);
        config_files_free(files);

        tree_write_bytes(tree, "etc/x.conf", text, CONFIG_FILE_SIZE_MAX + 1);
        assert_refused(tree, "etc/x.conf", "is larger than 1024 KiB, which is all that is accepted.");
}

static void test_number_of_files_is_bounded(void **state) {
        Tree *tree = *state;
        ConfigFiles *files;

        for (unsigned i = 0; i < CONFIG_FILES_MAX; i++) {
                char name[64];

                (void) snprintf(name, sizeof(name), "etc/x.conf.d/%u.conf", i);
                tree_write(tree, name, "#");
        }
        files = read_files(tree);
        assert_int_equal(files->n_items, CONFIG_FILES_MAX);
        assert_int_equal(files->n_refused, 0);
        config_files_free(files);

        tree_write(tree, "etc/x.conf", "#");    /* the main file comes first, so a drop-in is too many */
        assert_refused(tree, "etc/x.conf.d/99.conf", "is one file too many, at most 256 are read.");
        tree_write(tree, "run/x.conf.d/another.conf", "#");
        files = read_files(tree);
        assert_true(files->n_refused > 0);
        assert_said(&tree->diagnostics, "run/x.conf.d: has too many files, at most 256 are read.");
        config_files_free(files);
}

#define tree_test(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                tree_test(test_nothing_there_is_fine),
                tree_test(test_directory_that_is_given_has_to_be_there),
                tree_test(test_main_file_comes_from_the_highest_place),
                tree_test(test_own_files_of_a_user_come_before_all),
                tree_test(test_own_files_are_those_of_the_home_of_an_ordinary_user),
                tree_test(test_dropins_are_read_by_name_over_all_places),
                tree_test(test_instance_comes_after_what_is_for_all),
                tree_test(test_empty_file_and_link_to_dev_null_mask),
                tree_test(test_link_to_a_file_is_followed),
                tree_test(test_other_names_are_not_dropins),
                tree_test(test_what_is_no_file_gets_a_sentence_and_hangs_nothing),
                tree_test(test_file_without_permission_gets_a_sentence),
                tree_test(test_directory_without_permission_gets_one_sentence),
                tree_test(test_bad_file_does_not_hide_the_others),
                tree_test(test_size_of_a_file_is_bounded),
                tree_test(test_number_of_files_is_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
