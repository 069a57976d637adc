using System.Text;

namespace LmKit.QuickStart;

/// <summary>The user's own text, a file or a folder of files.</summary>
/// <remarks>
/// A file is text when it is UTF-8 without a zero byte; other files of a folder (images, archives, repositories'
/// hidden folders) are passed over. Line ends become '\n' and a byte order mark is dropped.
/// </remarks>
public static class UserText
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly EnumerationOptions Everything = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.Hidden | FileAttributes.System };

    /// <summary>Reads a file, holding out its last part, or a folder with its sub-folders, holding out whole files.</summary>
    /// <exception cref="FileNotFoundException">There is neither a file nor a folder of that name.</exception>
    /// <exception cref="InvalidDataException">There is no text, or too little to hold some of it out.</exception>
    public static TextSplit Read(string path)
    {
        if (File.Exists(path))
            return TextSplit.ByTail(path, Text(path) ?? throw new InvalidDataException($"{path} is not UTF-8 text; --text reads UTF-8 files only."));

        if (!Directory.Exists(path))
            throw new FileNotFoundException($"--text {path}: there is no file or folder of that name.", path);

        var files = Directory.EnumerateFiles(path, "*", Everything)
            .Select(file => new TextFile(Path.GetRelativePath(path, file).Replace('\\', '/'), Text(file) ?? ""))
            .Where(file => file.Text.Length > 0)
            .ToArray();
        return files switch
        {
            [] => throw new InvalidDataException($"--text {path}: the folder holds no UTF-8 text file; name a folder with text, or a file."),
            [var only] => TextSplit.ByTail(Path.Combine(path, only.Name), only.Text),
            _ => TextSplit.ByWholeFiles(path, files),
        };
    }

    private static string? Text(string path)
    {
        var bytes = File.ReadAllBytes(path);
        if (bytes.AsSpan().Contains((byte)0))
            return null;

        try
        {
            return StrictUtf8.GetString(bytes).TrimStart('\uFEFF').ReplaceLineEndings("\n");
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
