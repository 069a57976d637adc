namespace LmKit.Benchmarks.Ratios;

/// <summary>The committed table between two marks of a Markdown file, whose other text is kept: a row for each case, replaced when the
/// case is measured again, so that the table can be taken in parts.</summary>
internal sealed class RatioTable
{
    internal const string Start = "<!-- table: written by `ratios --out`, not by hand -->";
    internal const string End = "<!-- end of the table -->";

    private readonly string path;
    private readonly string before;
    private readonly string after;
    private readonly Dictionary<string, RatioRow> rows = [];
    private string machine;

    private RatioTable(string path, string before, string machine, string after) => (this.path, this.before, this.machine, this.after) = (path, before, machine, after);

    /// <summary>The rows by the names of their cases.</summary>
    internal IReadOnlyDictionary<string, RatioRow> Rows => rows;

    /// <summary>Reads the table and the text around it, before an hour of measuring is lost on a file without the marks.</summary>
    /// <exception cref="ArgumentException">The file exists without the two marks, or a line between them cannot be read.</exception>
    internal static RatioTable Open(string path)
    {
        if (!File.Exists(path))
            return new RatioTable(path, "# Ratios\n\n", "", "\n");

        var text = File.ReadAllText(path);
        var (start, end) = (text.IndexOf(Start, StringComparison.Ordinal), text.IndexOf(End, StringComparison.Ordinal));
        if (start < 0 || end < start)
            throw new ArgumentException($"'{path}' has no table to read and replace: put the lines '{Start}' and '{End}' where it belongs.");

        var table = new RatioTable(path, text[..start], "", text[(end + End.Length)..]);
        table.Read(text[(start + Start.Length)..end]);
        return table;
    }

    /// <summary>Makes sure that rows of this machine may stand in it.</summary>
    /// <exception cref="ArgumentException">Its rows are of another machine or number of threads.</exception>
    internal void Require(string machine)
    {
        if (rows.Count > 0 && this.machine != machine)
            throw new ArgumentException($"--out '{path}' holds figures of '{this.machine}', this run is '{machine}': write them to another file, or delete that table's rows first.");

        this.machine = machine;
    }

    /// <summary>Puts a row in place of the one of its name and writes the file, with whatever was written into it meanwhile.</summary>
    /// <param name="row">The row.</param>
    /// <param name="order">The names of all cases there are; rows of others go.</param>
    internal void Put(RatioRow row, IReadOnlyList<string> order)
    {
        var now = Open(path);
        now.Require(machine);
        now.rows[row.Name] = rows[row.Name] = row;
        File.WriteAllText(path, now.before + Start + "\n" + now.Text(order) + End + now.after);
    }

    private string Text(IReadOnlyList<string> order)
    {
        var rows = order.Where(this.rows.ContainsKey).Select(name => this.rows[name]).ToLookup(row => row.IsMemory);
        return $"{machine}.\n" + Section(RatioRow.TimeHead, rows[false]) + Section(RatioRow.MemoryHead, rows[true]);
    }

    private static string Section(string head, IEnumerable<RatioRow> rows)
    {
        var lines = string.Concat(rows);
        return lines.Length == 0 ? "" : $"\n{head}{lines}";
    }

    private void Read(string text)
    {
        bool? isMemory = null;
        foreach (var line in text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && !line.StartsWith("|-", StringComparison.Ordinal)))
        {
            if (RatioRow.TimeHead.StartsWith(line, StringComparison.Ordinal) || RatioRow.MemoryHead.StartsWith(line, StringComparison.Ordinal))
                isMemory = RatioRow.MemoryHead.StartsWith(line, StringComparison.Ordinal);
            else if (isMemory is { } kind)
                Add(line, kind);
            else
                machine = line.TrimEnd('.');
        }
    }

    private void Add(string line, bool isMemory)
    {
        try
        {
            var row = RatioRow.Parse(line, isMemory);
            if (!rows.TryAdd(row.Name, row))
                throw new FormatException($"'{row.Name}' has two rows");
        }
        catch (FormatException problem)
        {
            throw new ArgumentException($"'{path}': {problem.Message}; the table is written by `ratios --out`, not by hand.");
        }
    }
}
