package scenarios

import (
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/direct"
	"github.com/kload/kload/producer/drivers/a8m"
)

// kinesisIngress configures the way into the stream. The settings of kload's own
// producer stand beside the choice of the driver, which follows those that it
// knows; further ones of other drivers stand below it.
type kinesisIngress struct {
	producer.Config
	Driver conf.Choice `yaml:"driver" choice:"driver" default:"kpl" help:"what puts the records: kload's own producer, or another to compare it with"`
}

// CounterNames lists what the driver counts.
func (c *kinesisIngress) CounterNames() []string {
	if d, ok := c.Driver.Config.(interface{ CounterNames() []string }); ok {
		return d.CounterNames()
	}
	return c.Config.CounterNames()
}

// Capabilities says what the driver can do.
func (c *kinesisIngress) Capabilities() producer.Capabilities {
	if d, ok := c.Driver.Config.(interface{ Capabilities() producer.Capabilities }); ok {
		return d.Capabilities()
	}
	return c.Config.Capabilities()
}

// ignored lists the settings that were changed although the driver does not
// follow them.
func (c *kinesisIngress) ignored() []string {
	follows := c.Capabilities().Settings
	if follows == nil {
		return nil
	}
	follows = append(slices.Clip(follows), "key", "wire", "memory")
	var keys []string
	set, usual := reflect.ValueOf(c.Config), reflect.ValueOf(producer.DefaultConfig())
	for i := range set.NumField() {
		key := set.Type().Field(i).Tag.Get("yaml")
		if !slices.Contains(follows, key) && !set.Field(i).Equal(usual.Field(i)) {
			keys = append(keys, key)
		}
	}
	return keys
}

// driver checks that a load asks nothing of its driver that it cannot do.
func (v *validator) driver(path string, p *loadPlan) {
	name := p.ingress.Driver.Kind
	ignored := p.ingress.ignored()
	for _, key := range ignored {
		v.problem(path+".ingress.kinesis."+key, fmt.Sprintf("the driver %s has no such setting", name),
			"remove it, set driver: kpl, or see 'kload explain' for the settings of driver: {"+name+": {}}")
	}
	if p.ingress.Ordered && !p.byKey && len(ignored) == 0 {
		v.problem(path+".ingress.kinesis.ordered", "order per partition key cannot be promised: explicit hash keys spread the records of a key over the shards",
			"set keys: {uniform: {}} or keys: {field: {name: …}}, or remove ordered")
	}
	if !p.byKey && !p.can.HashKeys {
		v.problem(path+".ingress.kinesis.driver", fmt.Sprintf("the driver %s does not send explicit hash keys, which these keys have", name),
			"set keys: {uniform: {}}, or another driver")
	}
	if p.carrier != trace.Tag || p.can.Tags {
		return
	}
	why := "trace: tag needs aggregation, which is off"
	if name != "kpl" {
		why = fmt.Sprintf("trace: tag needs kload's own aggregation: the driver %s has no room for it", name)
	}
	v.problem(path+".trace", why, "set trace: json for JSON payloads, trace: prefix for others")
}

// driverEnv is what drivers are given beside their own configuration.
type driverEnv struct {
	ingressEnv
	config *producer.Config // of the ingress
}

// api returns the client of the wire that is set.
func (e *driverEnv) api() *awsclient.Caller { return e.client.Over(awsclient.Wire(e.config.Wire)) }

// library returns what the driver a8m is given. In virtual time, where nothing but
// the test's own network is to be reached, the library runs in this process.
func (e *driverEnv) library(c *a8m.Config) a8m.Options {
	o := a8m.Options{
		Config: *c, Stream: e.stream, Connections: e.config.Connections, Timeout: e.config.RequestTimeout, Memory: int(e.config.Memory),
		Client: e.how, Wire: awsclient.Wire(e.config.Wire), Clock: e.clock, Outcomes: e.outcomes, Event: e.event,
	}
	if o.Wire == awsclient.Auto {
		o.Wire = awsclient.JSON // as programs that use it have it
	}
	api := e.client.Over(o.Wire) // which takes down that the wire is used
	if e.how.Dial != nil {
		o.API = api
	}
	return o
}

// DriverVerb is the argument under which an executable that runs scenarios must
// call [Driver].
const DriverVerb = a8m.ChildVerb

// Driver is the process of a driver that has one of its own. It ends when stdin
// does.
func Driver(stdin io.Reader, stdout io.Writer) error { return a8m.Child(stdin, stdout) }

// direct returns what drivers have in common that send records as they are.
func (e *driverEnv) direct() direct.Options {
	return direct.Options{
		Clock: e.clock, Outcomes: e.outcomes, Seed: e.seed, Connections: e.config.Connections, MaxRecord: e.maxRecord,
		TTL: e.config.TTL, Timeout: e.config.RequestTimeout, Memory: int(e.config.Memory),
	}
}
