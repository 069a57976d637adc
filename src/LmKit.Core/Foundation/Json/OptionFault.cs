using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;

namespace LmKit;

/// <summary>What is wrong with an option's value.</summary>
internal static class OptionFault
{
    /// <summary>The first fault of a property, or null.</summary>
    internal static string? Of(object options, PropertyInfo property)
    {
        var value = property.GetValue(options);
        var context = new ValidationContext(options) { MemberName = property.Name };
        return OfAttributes(property, value, context) ?? OfValue(property, value) ?? OfNull(property, value);
    }

    /// <summary>A number that is not finite, or a value of an enumeration that has no name.</summary>
    internal static string? OfValue(PropertyInfo property, object? value) => value switch
    {
        double number when !double.IsFinite(number) => "a finite number is needed.",
        float number when !float.IsFinite(number) => "a finite number is needed.",
        Enum choice when !Enum.IsDefined(choice.GetType(), choice) && !choice.GetType().IsDefined(typeof(FlagsAttribute), false) =>
            $"there is no such value; there are {string.Join(", ", Enum.GetNames(choice.GetType()))}.",
        _ => null,
    };

    private static string? OfAttributes(PropertyInfo property, object? value, ValidationContext context)
    {
        foreach (var attribute in property.GetCustomAttributes<ValidationAttribute>(inherit: true))
        {
            try
            {
                if (attribute is RangeAttribute { Minimum: double and >= 0 } && value is 0.0 && double.IsNegative((double)value))
                    return "zero is written without a sign.";
                var isValid = attribute is RangeAttribute range && Integer(value) is { } number ? IsIn(range, number) : attribute.GetValidationResult(value, context) == ValidationResult.Success;
                if (!isValid)
                    return attribute.FormatErrorMessage(property.Name);
            }
            catch (Exception error) when (error is InvalidCastException or FormatException or OverflowException or ArgumentException or InvalidOperationException)
            {
                return $"{attribute.GetType().Name} cannot judge it: {error.Message}";
            }
        }
        return null;
    }

    private static string? OfNull(PropertyInfo property, object? value)
    {
        var info = new NullabilityInfoContext().Create(property);
        if (value is null)
            return info.ReadState == NullabilityState.NotNull ? "null is no value of it." : null;
        var entry = info.ElementType ?? info.GenericTypeArguments.LastOrDefault();
        if (value is string || entry is null || entry.ReadState != NullabilityState.NotNull)
            return null;
        var entries = value is System.Collections.IDictionary pairs ? pairs.Values : value as System.Collections.IEnumerable;
        return entries?.Cast<object?>().Contains(null) == true ? "an entry of it is null." : null;
    }

    // The attribute itself casts to its bounds' type, and fails on a number that this type cannot hold.
    private static decimal? Integer(object? value) =>
        value is sbyte or byte or short or ushort or int or uint or long or ulong ? Convert.ToDecimal(value, CultureInfo.InvariantCulture) : null;

    private static bool IsIn(RangeAttribute range, decimal number)
    {
        var (low, high) = (range.Minimum, range.Maximum) switch
        {
            (int least, int most) => (number.CompareTo(least), number.CompareTo(most)),
            (double least, double most) => (((double)number).CompareTo(least), ((double)number).CompareTo(most)),
            _ => (range.IsValid(number) ? 1 : -1, -1),
        };
        return (range.MinimumIsExclusive ? low > 0 : low >= 0) && (range.MaximumIsExclusive ? high < 0 : high <= 0);
    }
}

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
                throw new ArgumentOutOfRangeException(property.Name, value, FormattableString.Invariant($"{options.GetType().Name}.{property.Name} = {value} is not a number from {range.Minimum} to {range.Maximum}."));
        }
    }

    /// <summary>Refuses a number of tokens below 0.</summary>
    internal static void CheckCount(long value, string option)
    {
        if (value < 0)
            throw new ArgumentOutOfRangeException(option, value, $"{option} is a number of tokens, at least 0.");
    }
}
