package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// canSetClocks tells whether a process of a test can have a clock of its own.
const canSetClocks = true

// askedClock is machine code that takes the place of the vDSO's clock_gettime in one process: it asks the kernel, and adds the seconds
// behind it to the time of day. Monotonic clocks stay what they are, as where somebody steps a machine's clock.
var askedClock = []byte{
	0xb8, 0xe4, 0, 0, 0, //        mov eax, 228 (clock_gettime)
	0x0f, 0x05, //                 syscall
	0x85, 0xff, //                 test edi, edi
	0x75, 0x0a, //                 jne out, where it is another clock than CLOCK_REALTIME
	0x48, 0x8b, 0x0d, 6, 0, 0, 0, // mov rcx, [rip+6], the seconds
	0x48, 0x01, 0x0e, //           add [rsi], rcx
	0xc3, 0, 0, // out:            ret
}

// startWithClock starts a process whose clock can be set, and returns the function that sets it so far from this machine's. A process that
// asks the kernel by itself for the time, as none of ours does, goes by this machine's.
func startWithClock(cmd *exec.Cmd, off time.Duration) (set func(off time.Duration) error, err error) {
	runtime.LockOSThread() // only the thread that starts a process may let it go on
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return nil, fmt.Errorf("wait for the process to stop before its first instruction: %w", err)
	}
	memory := fmt.Sprintf("/proc/%d/mem", pid)
	clock, err := findClock(pid, memory)
	if err != nil {
		return nil, err
	}
	set = func(off time.Duration) error {
		return write(memory, clock+uint64(len(askedClock)), binary.LittleEndian.AppendUint64(nil, uint64(off/time.Second)))
	}
	if err := write(memory, clock, askedClock); err != nil {
		return nil, err
	}
	if err := set(off); err != nil {
		return nil, err
	}
	return set, syscall.PtraceDetach(pid)
}

// findClock returns the address of clock_gettime in the vDSO of a process.
func findClock(pid int, memory string) (uint64, error) {
	auxv, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return 0, err
	}
	const sysinfoEHDR = 33 // the vDSO's address, as <linux/auxvec.h> numbers it
	var base uint64
	for entry := range slices.Chunk(auxv, 16) {
		if binary.LittleEndian.Uint64(entry) == sysinfoEHDR {
			base = binary.LittleEndian.Uint64(entry[8:])
		}
	}
	f, err := os.Open(memory)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	image := make([]byte, 16<<10)
	n, err := f.ReadAt(image, int64(base)) // what follows it can't be read
	if n == 0 {
		return 0, fmt.Errorf("read the vDSO: %w", err)
	}
	vdso, err := elf.NewFile(bytes.NewReader(image[:n]))
	if err != nil {
		return 0, fmt.Errorf("read the vDSO: %w", err)
	}
	symbols, err := vdso.DynamicSymbols()
	if err != nil {
		return 0, fmt.Errorf("read the vDSO: %w", err)
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" && s.Size >= uint64(len(askedClock))+8 {
			return base + s.Value, nil
		}
	}
	return 0, fmt.Errorf("the vDSO has no clock_gettime with room for another")
}

func write(memory string, at uint64, data []byte) error {
	f, err := os.OpenFile(memory, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(data, int64(at))
	return err
}
