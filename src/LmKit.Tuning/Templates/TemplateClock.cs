using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>Dates as templates write them.</summary>
internal static class TemplateClock
{
    internal static string Format(DateTimeOffset now, string format)
    {
        var text = new StringBuilder();
        for (var place = 0; place < format.Length; place++)
        {
            if (format[place] != '%' || ++place == format.Length)
            {
                _ = text.Append(format[Math.Min(place, format.Length - 1)]);
                continue;
            }
            var pattern = format[place] switch { 'd' => "dd", 'm' => "MM", 'b' => "MMM", 'B' => "MMMM", 'Y' => "yyyy", 'y' => "yy", 'H' => "HH", 'M' => "mm", 'S' => "ss", 'A' => "dddd", 'a' => "ddd", '%' => "'%'", var other => throw new TemplateException($"'%{other}' of a date is not supported.") };
            _ = text.Append(now.ToString(pattern, CultureInfo.InvariantCulture));
        }
        return text.ToString();
    }
}
