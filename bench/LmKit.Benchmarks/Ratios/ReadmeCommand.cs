namespace LmKit.Benchmarks.Ratios;

/// <summary>The verb `readme`: writes the table's figures into every text that asks for them; with --check only says where they differ.</summary>
internal static class ReadmeCommand
{
    private const int failed = 1;
    private const int misused = 2;

    /// <summary>Returns 0, 1 when a text asks for a row that is not there or, checked, shows another figure or one of its own, 2 for a bad
    /// command line or table.</summary>
    internal static int Run(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors)
    {
        try
        {
            var isCheck = arguments is ["--check"];
            if (!isCheck && arguments.Count > 0)
                throw new ArgumentException($"readme takes [--check]; got '{string.Join(' ', arguments)}'.");

            var table = RatioTable.Open(RepositoryFiles.Table);
            var problems = Problems(RepositoryFiles.Root, table, isCheck);
            problems.ForEach(errors.WriteLine);
            var missing = RatioCaseList.All.Where(one => !one.OnlyWhenNamed && !table.Rows.ContainsKey(one.Name)).Select(one => one.Name).ToList();
            if (missing.Count > 0)
                output.WriteLine($"# without a row in the table yet: {string.Join("; ", missing)}");

            output.WriteLine(problems.Count == 0 ? "The texts agree with the table." : $"{problems.Count} problem(s).");
            return problems.Count == 0 ? 0 : failed;
        }
        catch (ArgumentException problem)
        {
            errors.WriteLine(problem.Message);
            return misused;
        }
    }

    /// <summary>What is wrong with the texts below a folder; without a check, what could not be mended.</summary>
    internal static List<string> Problems(string root, RatioTable table, bool isCheck)
    {
        var problems = new List<string>();
        foreach (var path in RepositoryFiles.Texts(root))
        {
            var (name, text) = (Path.GetRelativePath(root, path).Replace('\\', '/'), File.ReadAllText(path));
            var figures = ReadmeFigures.Read(name, text, table);
            problems.AddRange(figures.Problems);
            problems.AddRange(ReadmeClaims.Untagged(name, text));
            if (isCheck)
                problems.AddRange(figures.Differences);
            else if (figures.Text != text)
                File.WriteAllText(path, figures.Text);
        }

        return problems;
    }
}
