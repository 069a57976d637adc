using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace LmKit.QuickStart;

/// <summary>The English of the .NET SDK's reference documentation, the text that QuickStart trains on by default.</summary>
/// <remarks>
/// Every machine that can build this sample has it, so nothing is downloaded. One paragraph a line; a paragraph that
/// occurs in several places or files is kept where it stands first in order of file name, so no sentence of the
/// validation text occurs word for word in the training text.
/// </remarks>
public static class ReferenceProse
{
    /// <summary>Reads the reference pack of the SDK on this machine.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no reference pack on this machine.</exception>
    public static TextSplit Read() => Read(ReferencePack.Find());

    /// <summary>Reads the XML documentation files of a folder.</summary>
    /// <param name="folder">A folder with XML documentation files; sub-folders (translations) are not read.</param>
    /// <exception cref="InvalidDataException">A file is not well-formed XML, or fewer than two hold prose.</exception>
    public static TextSplit Read(string folder)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        var files = Directory.EnumerateFiles(folder, "*.xml")
            .Order(StringComparer.Ordinal)
            .Select(path => (Name: Path.GetFileName(path), Paragraphs: Task.Run(() => Paragraphs(path))))
            .ToArray()
            .Select(file => new TextFile(file.Name, Lines(file.Paragraphs.GetAwaiter().GetResult().Where(seen.Add))));
        return TextSplit.ByWholeFiles($"the SDK's reference documentation in {folder}", files);
    }

    private static string[] Paragraphs(string path)
    {
        try
        {
            return MemberProse.Paragraphs(XDocument.Load(path, LoadOptions.PreserveWhitespace)).ToArray();
        }
        catch (XmlException error)
        {
            throw new InvalidDataException($"{path} is not well-formed XML: {error.Message} Repair the .NET SDK, or train on your own text with --text FILE|FOLDER.", error);
        }
    }

    private static string Lines(IEnumerable<string> paragraphs) =>
        paragraphs.Aggregate(new StringBuilder(), (text, paragraph) => text.Append(paragraph).Append('\n')).ToString();
}
