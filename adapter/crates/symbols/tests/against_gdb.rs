//! Types and variables of the real target's images are what gdb says they are: when `HVDAP_XEN_TARGET` names the folder
//! that holds the images and `gdb-multiarch` is installed; else nothing is checked.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate opens no files and starts no processes; this test of it does"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use symbols::types::Type;
use symbols::variables::VariableKind;
use symbols::{Image, LinkVa};

const XEN: &[&str] = &[
    "struct DosFileHeader",
    "struct _EFI_SYSTEM_TABLE",
    "struct arch_domain",
    "struct arch_vcpu",
    "struct arm_smmu_s2cr",
    "struct cpu_info",
    "struct cpu_user_regs",
    "struct cpuinfo_arm",
    "struct csched_private",
    "struct domain",
    "struct dt_bus",
    "struct evtchn_init_control",
    "struct gic_v2",
    "struct gnttab_setup_table",
    "struct hsr_cond",
    "struct hsr_wfi_wfe",
    "struct iommu_ops",
    "struct migrate_info",
    "struct p2m_domain",
    "struct pci_dev",
    "struct proc_info_list",
    "struct rt_unit",
    "struct sched_unit",
    "struct shared_info",
    "struct timer",
    "struct uart_driver",
    "struct vcpu",
    "struct vcpu_runstate_info",
    "struct vgic_cpu",
    "struct vm_event_domain",
    "struct vm_event_write_ctrlreg",
    "struct xen_add_to_physmap",
    "struct xen_domctl_getdomaininfo",
    "struct xen_domctl_vmtrace_op",
    "struct xen_memory_reservation",
    "struct xen_psd_package",
    "struct xen_sysctl_lockprof_op",
    "struct xen_vnuma_topology_info",
    "struct xenpf_mem_hotadd",
    "struct xsm_ops",
    "union hsr",
];

const LINUX: &[&str] = &[
    "struct Qdisc",
    "struct balloon_stats",
    "struct blk_mq_tag_set",
    "struct bug_entry",
    "struct clk_mux",
    "struct coredump_params",
    "struct cpumask",
    "struct cred",
    "struct dentry",
    "struct device",
    "struct device_attach_data",
    "struct device_node",
    "struct dma_pool",
    "struct elf_prpsinfo",
    "struct file",
    "struct file_clone_range",
    "struct file_operations",
    "struct fpsimd_context",
    "struct ftrace_hash",
    "struct gic_quirk",
    "struct hrtimer_cpu_base",
    "struct inode",
    "struct input_event",
    "struct io_issue_def",
    "struct io_sq_data",
    "struct ip6_sf_list",
    "struct irq_desc",
    "struct irqchip_fwid",
    "struct kernfs_open_node",
    "struct kobject",
    "struct kparam_array",
    "struct list_head",
    "struct logic_pio_host_ops",
    "struct mm_struct",
    "struct mm_walk",
    "struct module",
    "struct mountpoint",
    "struct neigh_statistics",
    "struct net_device",
    "struct page",
    "struct partition_desc",
    "struct pid",
    "struct pid_namespace",
    "struct posix_clock",
    "struct power_supply_attr",
    "struct proc_fs_context",
    "struct pt_regs",
    "struct pvclock_vcpu_time_info",
    "struct rcu_sync",
    "struct rhashtable",
    "struct rq",
    "struct rtc_param",
    "struct sched_domain_shared",
    "struct sched_entity",
    "struct shmem_options",
    "struct sk_buff",
    "struct sock",
    "struct sock_filter",
    "struct softnet_data",
    "struct statx",
    "struct super_block",
    "struct task_struct",
    "struct tcf_block",
    "struct tcp_sock",
    "struct thread_struct",
    "struct timer_list",
    "struct trace_event_raw_clk_rate",
    "struct trace_event_raw_tick_stop",
    "struct tracing_log_err",
    "struct user_evtchn",
    "struct vm_area_struct",
    "struct vm_special_mapping",
    "struct work_for_cpu",
    "struct work_struct",
    "struct xen_mem_acquire_resource",
    "struct zone",
    "union thread_union",
];

fn open(file: &str) -> Option<(PathBuf, Image)> {
    let path = PathBuf::from(std::env::var_os("HVDAP_XEN_TARGET")?).join(file);
    let bytes = std::fs::read(&path).expect("the target folder holds its images");
    let image = Image::parse(file, Arc::new(bytes)).expect("a real image parses");
    Some((path, image))
}

/// What gdb prints when it runs a Python script with `image` opened; `None` where gdb is not installed.
fn gdb(image: &Path, what: &str, script: &str) -> Option<String> {
    let image_name = image.file_name()?.to_string_lossy();
    let name = format!("hvdap-{}-{what}-{image_name}.py", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, script).expect("the temporary folder is writable");
    let output = Command::new("gdb-multiarch")
        .args(["-nx", "-q", "-batch", "-x"])
        .arg(&file)
        .arg(image)
        .output();
    std::fs::remove_file(&file).expect("it was written");
    let output = output.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

const LAYOUT: &str = r#"
import gdb
for name in NAMES:
    try: record = gdb.lookup_type(name)
    except gdb.error: continue
    print("%s|%d" % (name, record.sizeof))
    for f in record.fields():
        print("%s|%s|%d|%d|%d|%s" % (name, f.name or "", f.bitpos, f.bitsize, f.type.sizeof, f.type))
"#;

/// The layout of a record in the words of [`LAYOUT`].
fn layout(image: &Image, name: &str) -> Option<String> {
    let id = image.type_named(name)?;
    let decoded = image.type_of(id).ok()?;
    let Type::Record(record) = &*decoded else {
        return None;
    };
    let mut text = format!("{name}|{}\n", image.size_of(id)?);
    for member in &record.members {
        let shift = member.bits.map_or(0, |bits| bits.shift);
        let _ = writeln!(
            text,
            "{name}|{}|{}|{}|{}|{}",
            member.name.as_deref().unwrap_or(""),
            member.offset * 8 + u64::from(shift),
            member.bits.map_or(0, |bits| bits.width),
            image.size_of(member.ty).unwrap_or(0),
            image.spell(Some(member.ty)),
        );
    }
    Some(text)
}

/// Compares records; returns how many there were.
fn check_layout(file: &str, names: &[&str]) -> Option<usize> {
    let (path, image) = open(file)?;
    let ours: Vec<String> = names
        .iter()
        .filter_map(|name| layout(&image, name))
        .collect();
    let list = format!("NAMES = {names:?}\n{LAYOUT}");
    let theirs = gdb(&path, "layout", &list)?;
    for (ours, theirs) in ours.concat().lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs, "{file}");
    }
    assert_eq!(ours.concat(), theirs, "{file}");
    Some(ours.len())
}

#[test]
fn records_have_the_sizes_offsets_and_types_gdb_knows() {
    let counts = [
        check_layout("xen-syms", XEN),
        check_layout("vmlinux-dom0", LINUX),
        check_layout("vmlinux-domu", LINUX),
    ];
    if let [Some(xen), Some(dom0), Some(domu)] = counts {
        assert!(xen > 30 && dom0 > 60 && domu > 60, "{xen} {dom0} {domu}");
    }
}

const LOCALS: &str = r#"
import gdb
for pc in PCS:
    block = gdb.block_for_pc(pc)
    names = []
    while block is not None and block.function is None and not block.is_static:
        names += block
        block = block.superblock
    # Not in an inlined copy: its variables are in a frame of their own.
    if block is None or block.superblock is None or not block.superblock.is_static: continue
    names += block
    found = ["%s:%s:%s" % ("P" if s.is_argument else "V", s.name, s.type) for s in names
        if (s.is_argument or s.is_variable or s.is_constant)
        and str(s.type) != "__CORE_ADDR" and not s.name.startswith("__func__") and not s.name.startswith("__PRETTY")]
    print("%d|%s" % (pc, "|".join(found)))
"#;

fn locals(image: &Image, pc: LinkVa) -> BTreeSet<String> {
    let function = image.function_at(pc).expect("gdb knows a function there");
    let locals = image.locals_at(function, pc);
    let kind = |kind| match kind {
        VariableKind::Parameter => "P",
        _ => "V",
    };
    locals
        .iter()
        .map(|local| {
            format!(
                "{}:{}:{}",
                kind(local.kind),
                local.name,
                image.spell(local.ty)
            )
        })
        .collect()
}

fn check_locals(file: &str, step: usize) -> Option<()> {
    let (path, image) = open(file)?;
    let functions = image
        .symbols()
        .filter(|symbol| symbol.is_function && symbol.size > 32);
    let addresses: BTreeMap<u64, u64> = functions
        .map(|symbol| (symbol.address.0, symbol.size))
        .collect();
    let pcs: Vec<u64> = addresses
        .iter()
        .step_by(step)
        .flat_map(|(start, size)| [start + 16, start + size / 8 * 4, start + size - 8])
        .collect();
    let theirs = gdb(&path, "locals", &format!("PCS = {pcs:?}\n{LOCALS}"))?;
    let (mut compared, mut same) = (0, 0);
    for line in theirs.lines() {
        let mut words = line.split('|');
        let pc = words
            .next()
            .and_then(|pc| pc.parse().ok())
            .expect("the script prints it");
        let theirs: BTreeSet<String> = words
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let ours = locals(&image, LinkVa(pc));
        // gdb adds the variables of blocks that this copy of the function left out: all of them optimised away.
        assert!(
            ours.is_subset(&theirs),
            "{file} at {pc:#x}: {ours:?}, gdb: {theirs:?}"
        );
        compared += 1;
        same += usize::from(ours == theirs);
    }
    assert!(
        compared > 300 && same * 100 >= compared * 95,
        "{file}: {same} of {compared}"
    );
    Some(())
}

#[test]
fn functions_have_the_locals_gdb_knows() {
    let _ = check_locals("xen-syms", 5);
    let _ = check_locals("vmlinux-dom0", 60);
    let _ = check_locals("vmlinux-domu", 60);
}
