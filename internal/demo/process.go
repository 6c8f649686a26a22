package demo

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// stopTimeout is how long a site may take to stop before it is killed.
const stopTimeout = 10 * time.Second

// process is a child that does not outlive the demo.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child is gone
}

// start starts a child. Where the system can, the child dies with the demo;
// Linux ties that to the thread that forked, so one goroutine keeps its thread
// for as long as the child lives.
func start(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = childAttr()
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended does not matter
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop ends the child, cleanly if it will.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it is gone
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
