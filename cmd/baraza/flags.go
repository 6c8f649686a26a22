package main

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"baraza/node/admin"
	"baraza/node/config"
)

// What a flag is when it is not given may stand in the environment, out of the
// sight of other users of the machine.
const (
	envData  = "BARAZA_DATA"
	envDSN   = "BARAZA_DSN"
	envToken = "BARAZA_TOKEN"
)

// dataFlag adds --data.
func dataFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "data", "", "the site's data `DIR`ectory (or $"+envData+")")
}

func checkData(cmd *cobra.Command, dir *string) error {
	return given(cmd, "data", dir, envData)
}

// given fills a flag from the environment and wants it to have a value.
func given(cmd *cobra.Command, name string, value *string, env string) error {
	if *value == "" && env != "" {
		*value = os.Getenv(env)
	}
	if *value == "" {
		return usagef(cmd, "--%s is missing", name)
	}
	return nil
}

// client returns a client of the site that runs on --data.
func client(cmd *cobra.Command, dir *string) (*admin.Client, error) {
	if err := checkData(cmd, dir); err != nil {
		return nil, err
	}
	return admin.NewClient(*dir), nil
}

// tableFlags are the flags that choose tables and say what their catalogue
// does not.
type tableFlags struct {
	profile    string
	tables     []string
	exclude    []string
	identity   []string
	references []string
	// read is the profile that settle read, nil for none.
	read *config.Profile
}

func (f *tableFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.profile, "profile", "", "what is known of an application's tables: "+strings.Join(config.Profiles, ", ")+", or a `FILE` of your own")
	flags.StringSliceVar(&f.tables, "tables", nil, "replicate these tables, names or `PATTERNS` as in obs_*; default all")
	flags.StringSliceVar(&f.exclude, "exclude", nil, "leave these tables out, names or `PATTERNS`")
	flags.StringArrayVar(&f.identity, "identity", nil, "`TABLE=COLUMN[,COLUMN]`: what names a row of the table at every site")
	flags.StringArrayVar(&f.references, "reference", nil, "`TABLE.COLUMN=TABLE.COLUMN`: a reference without a foreign key")
}

// settle writes the flags into the settings.
func (f *tableFlags) settle(cmd *cobra.Command, c *config.Config) error {
	c.Tables, c.Exclude = f.tables, f.exclude
	for _, text := range f.identity {
		table, columns, ok := strings.Cut(text, "=")
		if !ok || table == "" || columns == "" {
			return usagef(cmd, "--identity %q is not TABLE=COLUMN[,COLUMN]", text)
		}
		if c.Identity == nil {
			c.Identity = map[string][]string{}
		}
		c.Identity[table] = strings.Split(columns, ",")
	}
	for _, text := range f.references {
		from, to, ok := strings.Cut(text, "=")
		if !ok || from == "" || to == "" {
			return usagef(cmd, "--reference %q is not TABLE.COLUMN=TABLE.COLUMN", text)
		}
		if c.References == nil {
			c.References = map[string]string{}
		}
		c.References[from] = to
	}
	if f.profile == "" {
		return nil
	}
	p, err := config.LoadProfile(f.profile)
	if errors.Is(err, config.ErrNoProfile) {
		return usagef(cmd, "--%v", err)
	}
	if err != nil {
		return err
	}
	f.read = p
	c.ApplyProfile(p)
	return nil
}

// siteFlags are the flags of init and join.
type siteFlags struct {
	dir, dsn, name, listen string
	advertise              []string
	web                    string
	tableFlags
}

func (f *siteFlags) add(cmd *cobra.Command) {
	dataFlag(cmd, &f.dir)
	flags := cmd.Flags()
	flags.StringVar(&f.dsn, "dsn", "", "the database, `USER:PASSWORD@tcp(HOST:PORT)/DATABASE`, or @FILE that holds it (or $"+envDSN+")")
	flags.StringVar(&f.name, "name", "", "the site's `NAME` for people")
	flags.StringVar(&f.listen, "listen", config.DefaultListen, "listen for other sites on `HOST:PORT`")
	flags.StringSliceVar(&f.advertise, "advertise", nil, "`HOST:PORT` that other sites dial, where it differs from --listen")
	flags.StringVar(&f.web, "web", "", "the web console's HOST:PORT")
	_ = flags.MarkHidden("web") // not in this version; refused with a word by config
	f.tableFlags.add(cmd)
}

// config makes the settings of the flags.
func (f *siteFlags) config(cmd *cobra.Command) (config.Config, error) {
	c := config.Default()
	if err := checkData(cmd, &f.dir); err != nil {
		return c, err
	}
	if err := given(cmd, "dsn", &f.dsn, envDSN); err != nil {
		return c, err
	}
	if err := given(cmd, "name", &f.name, ""); err != nil {
		return c, err
	}
	dsn, err := config.ReadDSN(f.dsn)
	if err != nil {
		return c, usagef(cmd, "--%v", err)
	}
	c.Name, c.DSN, c.Listen, c.Advertise, c.Web = f.name, dsn, f.listen, f.advertise, f.web
	if err := f.settle(cmd, &c); err != nil {
		return c, err
	}
	if err := c.Check(); err != nil {
		return c, usagef(cmd, "--%v", err)
	}
	return c, nil
}
