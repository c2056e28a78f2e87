// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the guest: sets up just enough of a system for one program, runs
 * it, tells the host how it ended and ends the guest.
 *
 * It is the only userspace that is always there, so it is one static file that
 * any Linux cross compiler makes (cc -static), with no shell and no tools
 * behind it.  What to run comes from /run.conf in the initramfs, a sequence of
 * NUL-terminated records, because words and paths can contain anything else:
 *
 *	mode=run		program: raw console, no controlling terminal
 *	mode=each		programs, one after the other: what each of them
 *				prints stands between the lines "PROGRAM name" and
 *				"STATUS number", 128 + N if signal N ended it
 *	mode=shell		interactive: cooked console in a session of its own
 *	mode=probe		no program, the guest only shows that it boots
 *	console=PATH		the virtio console
 *	cwd=PATH
 *	stdin=PATH		instead of /dev/null (not for mode=shell)
 *	winsize=ROWS COLUMNS	of the terminal behind the console
 *	env=NAME=VALUE		(repeated) the whole environment
 *	exec=PATH		the file to execute
 *	arg=WORD		(repeated) its argv; mode=each: a program's path
 *
 * How it ended goes as lines of text to the virtio port named "lof.status",
 * away from what the program prints:
 *
 *	exit N | signal N	the program's end
 *	taint N			/proc/sys/kernel/tainted when all was over
 *	init WHAT: ERROR	this file could not do its work
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define STATUS_PORT	"lof.status"
#define BUSYBOX		"/bin/busybox"

/* Ports and the console appear from a work item: usually before us, or not. */
#define DEVICE_WAIT_MS	10000
#define DEVICE_POLL_MS	5

#define MAX_WORDS	4096

enum mode { MODE_RUN, MODE_EACH, MODE_SHELL, MODE_PROBE };

static struct {
	enum mode mode;
	char *console;
	char *cwd;
	char *in;
	char *exec;
	struct winsize winsize;
	char *argv[MAX_WORDS + 1];
	char *envp[MAX_WORDS + 1];
} conf = { .cwd = "/" };

static int status_fd = -1;

static void end_guest(void)
{
	sync();
	/*
	 * A reboot, not a power-off: some of the machines cannot power off,
	 * and under -no-reboot it ends QEMU all the same.
	 */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/*
 * One write per report: the host has either all of it or none.  An error has
 * nowhere else to go, the host notices that the line is missing.
 */
static void report(const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (len >= (int)sizeof(buf)) {
		len = sizeof(buf);
		buf[len - 1] = '\n';
	}
	if (status_fd >= 0 && write(status_fd, buf, len) < 0)
		return;
}

/*
 * Something that the guest cannot do without went wrong.  The status port may
 * be what is missing, so say it in the kernel's log, too.
 */
static void fail_errno(int err, const char *what, const char *arg)
{
	char buf[512];
	int fd, len;

	len = snprintf(buf, sizeof(buf), "init %s%s%s: %s\n", what,
		       arg ? " " : "", arg ? arg : "", strerror(err));
	if (len >= (int)sizeof(buf))
		len = sizeof(buf) - 1;
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		dprintf(fd, "<3>lock-on-fault: %s", buf);
		close(fd);
	}
	report("%s", buf);
	end_guest();
}

static void fail(const char *what, const char *arg)
{
	fail_errno(errno, what, arg);
}

/* A file of /proc or /sys, or a small one of ours, without its last newline. */
static int read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return -1;
	buf[len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* Where the kernel lacks a knob there is nothing to turn. */
	if (write(fd, text, strlen(text)) < 0) {
		close(fd);
		return;
	}
	close(fd);
}

/* Not every kernel has everything; a test that needs it will say so. */
static void try_mount(const char *type, const char *dir, const char *options)
{
	mkdir(dir, 0755);
	mount(type, dir, type, 0, options);
}

static int is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int empty = 1;

	if (!dir)
		return 1;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			empty = 0;
	closedir(dir);
	return empty;
}

static void mount_all(void)
{
	mkdir("/dev", 0755);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		fail("mount", "/dev");
	mkdir("/proc", 0555);
	if (mount("proc", "/proc", "proc", 0, NULL))
		fail("mount", "/proc");
	mkdir("/sys", 0555);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL))
		fail("mount", "/sys");
	try_mount("devpts", "/dev/pts", "mode=620,ptmxmode=666");
	try_mount("tmpfs", "/dev/shm", "mode=1777");
	try_mount("hugetlbfs", "/dev/hugepages", "mode=1777");
	/* The directory is the kernel's; this only succeeds if it is there. */
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	/*
	 * Programs are brought along at the host's paths, and that may be
	 * somewhere in /tmp: do not hide them.  The root is a tmpfs, too.
	 */
	if (is_empty("/tmp"))
		try_mount("tmpfs", "/tmp", "mode=1777");
	chmod("/tmp", 01777);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

/* The device node of the port that the host has named so. */
static int open_status_port(void)
{
	char path[512], name[64];
	struct dirent *entry;
	int fd = -1;
	DIR *dir;

	dir = opendir("/sys/class/virtio-ports");
	if (!dir)
		return -1;
	while (fd < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name",
			 entry->d_name);
		if (read_line(path, name, sizeof(name)) ||
		    strcmp(name, STATUS_PORT))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
	}
	closedir(dir);
	if (fd < 0)
		errno = ENODEV;
	return fd;
}

static int open_console(void)
{
	return open(conf.console, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int wait_for(int (*open_it)(void), const char *what)
{
	int fd, waited;

	for (waited = 0; waited < DEVICE_WAIT_MS; waited += DEVICE_POLL_MS) {
		fd = open_it();
		if (fd >= 0)
			return fd;
		usleep(DEVICE_POLL_MS * 1000);
	}
	fail("open", what);
	return -1;
}

/* The name of a disk says nothing about what it is for, its serial does. */
static int find_disk(const char *serial, char *node, size_t size)
{
	char path[512], buf[64];
	struct dirent *entry;
	int found = 0;
	DIR *dir;

	dir = opendir("/sys/block");
	if (!dir)
		return 0;
	while (!found && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vd", 2))
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/serial",
			 entry->d_name);
		if (read_line(path, buf, sizeof(buf)) || strcmp(buf, serial))
			continue;
		snprintf(node, size, "/dev/%s", entry->d_name);
		found = 1;
	}
	closedir(dir);
	return found;
}

/*
 * What mkswap does.  It has to happen here, because the header is in the byte
 * order of the kernel and its size is the kernel's page size, and the host
 * knows neither of the two.
 */
static void setup_swap(void)
{
	struct {
		char bootbits[1024];
		uint32_t version;
		uint32_t last_page;
		uint32_t nr_badpages;
	} *header;
	long page_size = sysconf(_SC_PAGESIZE);
	char node[300];
	uint64_t size;
	int fd;

	if (!find_disk("swap", node, sizeof(node)))
		return;
	fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		fail("open", node);
	header = calloc(1, page_size);
	if (!header)
		fail("allocate", "swap header");
	header->version = 1;
	header->last_page = size / page_size - 1;
	memcpy((char *)header + page_size - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, header, page_size, 0) != page_size || fsync(fd))
		fail("write", node);
	free(header);
	close(fd);
	if (swapon(node, 0))
		fail("swapon", node);
}

static void setup_data(void)
{
	char node[300];

	if (!find_disk("data", node, sizeof(node)))
		return;
	mkdir("/data", 0755);
	if (mount(node, "/data", "ext2", 0, NULL))
		fail("mount", node);
	if (chmod("/data", 01777))
		fail("chmod", "/data");
}

/*
 * A guest without devices that are good for randomness would make the first
 * getrandom() wait for a second or more.  Nothing here needs secrets.
 */
static void seed_random(void)
{
	struct {
		struct rand_pool_info info;
		unsigned char bytes[64];
	} seed;
	size_t i;
	int fd;

	fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	seed.info.entropy_count = sizeof(seed.bytes) * 8;
	seed.info.buf_size = sizeof(seed.bytes);
	for (i = 0; i < sizeof(seed.bytes); i++)
		((unsigned char *)seed.info.buf)[i] = i * 37 + 11;
	ioctl(fd, RNDADDENTROPY, &seed);
	close(fd);
}

static void parse_record(char *rec)
{
	static int argc, envc;
	char *val = strchr(rec, '=');

	if (!val)
		goto bad;
	*val++ = '\0';
	if (!strcmp(rec, "mode")) {
		if (!strcmp(val, "run"))
			conf.mode = MODE_RUN;
		else if (!strcmp(val, "each"))
			conf.mode = MODE_EACH;
		else if (!strcmp(val, "shell"))
			conf.mode = MODE_SHELL;
		else if (!strcmp(val, "probe"))
			conf.mode = MODE_PROBE;
		else
			goto bad;
	} else if (!strcmp(rec, "console")) {
		conf.console = val;
	} else if (!strcmp(rec, "cwd")) {
		conf.cwd = val;
	} else if (!strcmp(rec, "stdin")) {
		conf.in = val;
	} else if (!strcmp(rec, "exec")) {
		conf.exec = val;
	} else if (!strcmp(rec, "winsize")) {
		if (sscanf(val, "%hu %hu", &conf.winsize.ws_row,
			   &conf.winsize.ws_col) != 2)
			goto bad;
	} else if (!strcmp(rec, "env") && envc < MAX_WORDS) {
		conf.envp[envc++] = val;
	} else if (!strcmp(rec, "arg") && argc < MAX_WORDS) {
		conf.argv[argc++] = val;
	} else {
		goto bad;
	}
	return;
bad:
	fail_errno(EINVAL, "run.conf record", rec);
}

static void read_conf(void)
{
	char *buf, *rec, *next;
	struct stat st;
	ssize_t len;
	int fd;

	fd = open("/run.conf", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail("open", "/run.conf");
	buf = calloc(1, st.st_size + 1);
	if (!buf)
		fail("read", "/run.conf");
	len = read(fd, buf, st.st_size);
	if (len != st.st_size)
		fail("read", "/run.conf");
	close(fd);
	for (rec = buf; rec < buf + len; rec = next) {
		next = rec + strlen(rec) + 1;
		parse_record(rec);
	}
	if (conf.mode != MODE_PROBE && (!conf.exec || !conf.argv[0]))
		fail_errno(EINVAL, "run.conf", "no program");
	unlink("/run.conf");
}

/*
 * Bytes that a program prints reach the host as they are: no newline
 * translation, and no echo of what the host might send.
 */
static void set_raw(int tty)
{
	struct termios t;

	if (tcgetattr(tty, &t))
		fail("tcgetattr", conf.console);
	cfmakeraw(&t);
	if (tcsetattr(tty, TCSANOW, &t))
		fail("tcsetattr", conf.console);
}

/* What "stty sane" makes of a terminal, for the shell. */
static void set_cooked(int tty)
{
	struct termios t;

	if (tcgetattr(tty, &t))
		fail("tcgetattr", conf.console);
	t.c_iflag = ICRNL | IXON | BRKINT;
	t.c_oflag = OPOST | ONLCR;
	t.c_cflag |= CREAD | CS8;
	t.c_lflag = ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL |
		    ECHOKE;
	t.c_cc[VINTR] = 3;
	t.c_cc[VQUIT] = 28;
	t.c_cc[VERASE] = 127;
	t.c_cc[VKILL] = 21;
	t.c_cc[VEOF] = 4;
	t.c_cc[VSTART] = 17;
	t.c_cc[VSTOP] = 19;
	t.c_cc[VSUSP] = 26;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (tcsetattr(tty, TCSANOW, &t))
		fail("tcsetattr", conf.console);
	if (conf.winsize.ws_row && conf.winsize.ws_col)
		ioctl(tty, TIOCSWINSZ, &conf.winsize);
}

/* Returns the errno of what went wrong between fork and exec. */
static int become_program(int tty, const char *exec, char **argv)
{
	int in = tty;

	/*
	 * A session of its own either way: what the program does to its
	 * process group and its terminal must not reach us.
	 */
	setsid();
	if (conf.mode == MODE_SHELL) {
		if (ioctl(tty, TIOCSCTTY, 0))
			return errno;
	} else {
		in = open(conf.in ? conf.in : "/dev/null",
			  O_RDONLY | O_NOCTTY | O_CLOEXEC);
		if (in < 0)
			return errno;
	}
	if (dup2(in, 0) < 0 || dup2(tty, 1) < 0 || dup2(tty, 2) < 0)
		return errno;
	if (chdir(conf.cwd))
		return errno;
	execve(exec, argv, conf.envp);
	return errno;
}

static pid_t start_program(int tty, const char *exec, char **argv)
{
	int err, sync_pipe[2];
	pid_t pid;

	if (pipe2(sync_pipe, O_CLOEXEC))
		fail("pipe", NULL);
	pid = fork();
	if (pid < 0)
		fail("fork", NULL);
	if (!pid) {
		err = become_program(tty, exec, argv);
		/* The read end sees end of file only if exec succeeded. */
		if (write(sync_pipe[1], &err, sizeof(err)) < 0)
			_exit(126);
		_exit(127);
	}
	close(sync_pipe[1]);
	if (read(sync_pipe[0], &err, sizeof(err)) == sizeof(err))
		fail_errno(err, "run", exec);
	close(sync_pipe[0]);
	return pid;
}

/* Waits for one process while collecting every orphan that ends meanwhile. */
static int wait_program(pid_t pid)
{
	int status;
	pid_t got;

	for (;;) {
		got = wait(&status);
		if (got == pid)
			return status;
		if (got < 0 && errno != EINTR)
			fail("wait", NULL);
	}
}

/* All of them, and 0: what became of each is for the reader of its line. */
static int run_each(int tty)
{
	char *argv[] = { NULL, NULL }, *name;
	int i, status;

	for (i = 0; conf.argv[i]; i++) {
		argv[0] = conf.argv[i];
		name = strrchr(argv[0], '/');
		dprintf(tty, "PROGRAM %s\n", name ? name + 1 : argv[0]);
		status = wait_program(start_program(tty, argv[0], argv));
		dprintf(tty, "STATUS %d\n", WIFSIGNALED(status) ?
			128 + WTERMSIG(status) : WEXITSTATUS(status));
	}
	return 0;
}

/* Names for busybox' applets; what the host brought along stays as it is. */
static void install_applets(void)
{
	char *argv[] = { BUSYBOX, "--install", "-s", "/bin", NULL };
	char *envp[] = { NULL };
	pid_t pid;
	int fd;

	if (access(BUSYBOX, X_OK))
		return;
	pid = fork();
	if (!pid) {
		/* It complains about every name that is taken. */
		fd = open("/dev/null", O_RDWR);
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		execve(BUSYBOX, argv, envp);
		_exit(127);
	}
	if (pid > 0)
		wait_program(pid);
}

/*
 * Have a kernel that looks for memory leaks do so; what it finds is in its log,
 * one by one.  It does not take an object for lost that is young, nor one that
 * it sees for the first time.
 */
static void look_for_leaks(void)
{
	const char *knob = "/sys/kernel/debug/kmemleak";

	if (access(knob, W_OK))
		return;
	write_file("/sys/module/kmemleak/parameters/verbose", "1");
	write_file(knob, "scan");
	sleep(6);
	write_file(knob, "scan");
}

/*
 * The kernel has to survive the end of everything that the program left, too:
 * only then look whether it complained.
 */
static void clean_up(void)
{
	kill(-1, SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	/* The program may have mounted something on top: then sync() does. */
	umount("/data");
}

int main(void)
{
	struct rlimit no_core;
	char taint[32] = "?";
	int tty, status;

	umask(022);
	mount_all();
	status_fd = wait_for(open_status_port, STATUS_PORT);
	read_conf();
	if (conf.mode == MODE_PROBE) {
		report("exit 0\ntaint 0\n");
		end_guest();
	}
	seed_random();
	setup_swap();
	setup_data();
	/* A crash is a status here, not a file. */
	write_file("/proc/sys/kernel/core_pattern", "\n");
	if (!getrlimit(RLIMIT_CORE, &no_core)) {
		no_core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &no_core);
	}
	install_applets();

	/* Held open until the end, so that closing it cannot lose output. */
	tty = wait_for(open_console, conf.console);
	if (conf.mode == MODE_SHELL)
		set_cooked(tty);
	else
		set_raw(tty);

	if (conf.mode == MODE_EACH)
		status = run_each(tty);
	else
		status = wait_program(start_program(tty, conf.exec, conf.argv));
	clean_up();
	look_for_leaks();
	tcdrain(tty);

	if (read_line("/proc/sys/kernel/tainted", taint, sizeof(taint)))
		fail("read", "/proc/sys/kernel/tainted");
	if (WIFSIGNALED(status))
		report("signal %d\ntaint %s\n", WTERMSIG(status), taint);
	else
		report("exit %d\ntaint %s\n", WEXITSTATUS(status), taint);
	end_guest();
}
