package config

var bcryptCostSamples = samples{
	of: func(c *Config) any { return c.BcryptCost },
	rows: []sample{
		{name: "the lowest", value: "10", want: 10},
		{name: "the highest", value: "15", want: 15},
		{name: "one too low", value: "9", err: badCost(`"9"`)},
		{name: "one too high", value: "16", err: badCost(`"16"`)},
		{name: "a word", value: "high", err: badCost(`"high"`)},
		{name: "a fraction", value: "12.5", err: badCost(`"12.5"`)},
		{name: "more than fits", value: "99999999999999999999", err: badCost(`"99999999999999999999"`)},
	},
}

func badCost(value string) string {
	return "BCRYPT_COST: " + value + " is not usable: expected a whole number from 10 to 15. Hint: each step doubles the work of a sign-in; 12 is a good choice"
}

var minLengthSamples = samples{
	of: func(c *Config) any { return c.PasswordMinLength },
	rows: []sample{
		{name: "the lowest", value: "8", want: 8},
		{name: "NIST's advice", value: "15", want: 15},
		{name: "the highest", value: "64", want: 64},
		{name: "one too low", value: "7", err: badMinLength(`"7"`)},
		{name: "one too high", value: "65", err: badMinLength(`"65"`)},
		{name: "below zero", value: "-8", err: badMinLength(`"-8"`)},
	},
}

func badMinLength(value string) string {
	return "PASSWORD_MIN_LENGTH: " + value + " is not usable: expected a whole number from 8 to 64. Hint: NIST's minimum is 8; it advises 15 if the password is the only factor"
}
