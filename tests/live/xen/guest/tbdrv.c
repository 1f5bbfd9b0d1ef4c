// SPDX-License-Identifier: GPL-2.0
/*
 * The test target's loadable driver: /dev/tbdrv takes what tbapp writes, and a
 * delayed work ticks. GPL because it is part of a kernel when loaded; nothing
 * else here links with it.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

struct tbdrv_state {
	unsigned long writes;
	unsigned long ticks;
	size_t last_len;
	u32 last_seq;
	u8 last[64];
};

static struct tbdrv_state tbdrv_state;
static int period_ms = 100;
module_param(period_ms, int, 0644);

static void tbdrv_tick(struct work_struct *work);
static DECLARE_DELAYED_WORK(tbdrv_work, tbdrv_tick);

static noinline void tbdrv_tick(struct work_struct *work)
{
	tbdrv_state.ticks++;
	schedule_delayed_work(&tbdrv_work, msecs_to_jiffies(period_ms));
}

static noinline void tbdrv_account(struct tbdrv_state *state, size_t len)
{
	state->writes++;
	state->last_len = len;
	memcpy(&state->last_seq, state->last, sizeof(state->last_seq));
}

static ssize_t tbdrv_write(struct file *file, const char __user *from, size_t len, loff_t *offset)
{
	size_t kept = min(len, sizeof(tbdrv_state.last));

	if (copy_from_user(tbdrv_state.last, from, kept))
		return -EFAULT;
	tbdrv_account(&tbdrv_state, kept);
	return len;
}

static const struct file_operations tbdrv_operations = {
	.owner = THIS_MODULE,
	.write = tbdrv_write,
};

static struct miscdevice tbdrv_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "tbdrv",
	.fops = &tbdrv_operations,
};

static int __init tbdrv_init(void)
{
	int error = misc_register(&tbdrv_device);

	if (!error)
		schedule_delayed_work(&tbdrv_work, msecs_to_jiffies(period_ms));
	return error;
}

static void __exit tbdrv_exit(void)
{
	cancel_delayed_work_sync(&tbdrv_work);
	misc_deregister(&tbdrv_device);
}

module_init(tbdrv_init);
module_exit(tbdrv_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test target driver");
