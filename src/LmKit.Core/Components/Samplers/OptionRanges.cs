using System.ComponentModel.DataAnnotations;
using System.Reflection;

namespace LmKit;

/// <summary>Checks options that reach code without a configuration against the ranges that stand on them.</summary>
internal static class OptionRanges
{
    /// <summary>Refuses the first property that lies out of its <see cref="RangeAttribute"/>, by name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of its range or not a number.</exception>
    internal static void Check(object options)
    {
        foreach (var property in options.GetType().GetProperties())
        {
            if (property.GetCustomAttribute<RangeAttribute>() is { } range && property.GetValue(options) is { } value && !range.IsValid(value))
                throw new ArgumentOutOfRangeException(property.Name, value, $"{property.Name} is a number from {range.Minimum} to {range.Maximum}.");
        }
    }

    /// <summary>Refuses a number of tokens below 0.</summary>
    internal static void CheckCount(long value, string option)
    {
        if (value < 0)
            throw new ArgumentOutOfRangeException(option, value, $"{option} is a number of tokens, at least 0.");
    }
}
