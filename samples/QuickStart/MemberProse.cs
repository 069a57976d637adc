using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace LmKit.QuickStart;

/// <summary>The English paragraphs of XML documentation.</summary>
/// <remarks>
/// References become the short name of what they point at, code blocks are left out, runs of white space become one
/// space, and a paragraph element, a list item or a blank line ends a paragraph.
/// </remarks>
public static partial class MemberProse
{
    private static readonly HashSet<string> PartNames = ["summary", "remarks", "returns", "value", "param", "typeparam", "exception"];
    private static readonly HashSet<string> ParagraphNames = ["para", "p", "list", "item", "listheader", "ul", "li", "br"];

    /// <summary>All paragraphs of a documentation file in the order of its members, repeats included.</summary>
    public static IEnumerable<string> Paragraphs(XDocument documentation) =>
        documentation.Descendants("member")
            .SelectMany(member => member.Elements())
            .Where(part => PartNames.Contains(part.Name.LocalName))
            .SelectMany(Paragraphs);

    /// <summary>The paragraphs of one part of a member, such as its summary.</summary>
    public static IEnumerable<string> Paragraphs(XElement part)
    {
        var text = new StringBuilder();
        Append(part, text);
        return BlankLines().Split(text.ToString())
            .Select(paragraph => WhiteSpace().Replace(paragraph, " ").Trim())
            .Where(paragraph => paragraph.Length > 0);
    }

    /// <summary>The short name of a documentation id: "M:System.String.Format(System.String)" gives "Format".</summary>
    /// <remarks>A constructor gives the name of its type; the marks and arguments of generics are dropped.</remarks>
    public static string ShortName(string reference)
    {
        var name = reference.Length > 1 && reference[1] == ':' ? reference[2..] : reference;
        var parts = Uri.UnescapeDataString(name).Split('(')[0];
        var segments = GenericMarks().Replace(parts, "").TrimEnd('*').Split('.', StringSplitOptions.RemoveEmptyEntries);
        return segments switch
        {
            [] => "",
            [.., var type, "#ctor" or "#cctor"] => type,
            // An explicit implementation writes its interface's dots as '#'.
            [.., var last] => last.Split('#')[^1],
        };
    }

    private static void Append(XElement element, StringBuilder text)
    {
        foreach (var node in element.Nodes())
        {
            switch (node)
            {
                case XText words:
                    text.Append(words.Value);
                    break;
                case XElement { Name.LocalName: "code" }:
                    text.Append("\n\n");
                    break;
                case XElement child when ParagraphNames.Contains(child.Name.LocalName):
                    text.Append("\n\n");
                    Append(child, text);
                    text.Append("\n\n");
                    break;
                case XElement { Name.LocalName: "term" or "description" } child:
                    text.Append(' ');
                    Append(child, text);
                    break;
                case XElement { IsEmpty: false } child when child.Nodes().Any():
                    Append(child, text);
                    break;
                case XElement child:
                    text.Append(Target(child));
                    break;
            }
        }
    }

    private static string Target(XElement reference) =>
        reference.Attribute("langword")?.Value
        ?? reference.Attribute("name")?.Value
        ?? (reference.Attribute("cref") ?? reference.Attribute("uid")) switch
        {
            { Value: var id } => ShortName(id),
            null => reference.Attribute("href")?.Value ?? "",
        };

    [GeneratedRegex(@"\n[ \t\r]*\n")]
    private static partial Regex BlankLines();

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();

    [GeneratedRegex(@"`+\d+|\{.*\}")]
    private static partial Regex GenericMarks();
}
